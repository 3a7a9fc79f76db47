//! From storages to tensors, which share memory where PyTorch's did.

use super::TorchError;
use super::container::Container;
use crate::elements::Stored;
use crate::pickle::View;
use mapsto_tensor::{Error, MAX_RANK, Shape, Tensor};
use std::collections::HashMap;
use std::io::{Read, Seek};

/// Bytes that are copied for tensors that are no views of ours, at most, in lengths of the file.
const MOST_COPIES: u64 = 16;
/// Numbers of a tensor of which some are one and the same, at most.
const MOST_EXPANDED: usize = 1 << 30;

/// Reads each storage once.
pub(super) struct Views<R> {
    container: Container<R>,
    /// All numbers of a storage, by its index and their type.
    whole: HashMap<(u32, Stored), Tensor>,
    read: u64,
    copied: u64,
}

impl<R: Read + Seek> Views<R> {
    pub fn of(container: Container<R>) -> Views<R> {
        Views { container, whole: HashMap::new(), read: 0, copied: 0 }
    }

    pub fn container(&self) -> &Container<R> {
        &self.container
    }

    /// A tensor of the pickle.
    pub fn tensor(&mut self, name: &str, index: u32) -> Result<Tensor, TorchError> {
        let view = &self.container.pickle.tensors[index as usize].clone();
        let wrong = |what: String| TorchError::Tensor { name: name.to_string(), what };
        let failed = |e: Error| wrong(format!("cannot be made: {e:#}"));
        let sizes: Vec<usize> = view.sizes.iter().map(|&size| size.try_into().unwrap_or(usize::MAX)).collect();
        let shape = Shape::new(&sizes).map_err(failed)?;
        if shape.numel() == 0 {
            return view.stored.tensor(Vec::new(), false, shape).map_err(failed);
        }
        let numbers = self.numbers(view)?;
        let last = sizes
            .iter()
            .zip(&view.strides)
            .try_fold(view.offset, |place, (&size, &stride)| place.checked_add((size as u64 - 1).checked_mul(stride)?));
        if last.is_none_or(|last| last >= numbers) {
            let last = last.map_or("beyond all numbers".into(), |last| last.to_string());
            return Err(wrong(format!(
                "of sizes {sizes:?} and strides {:?} reaches place {last} of a storage of {numbers} numbers",
                view.strides
            )));
        }
        // Along an axis of stride 0 all numbers are the same: one of them, repeated by a view.
        let one: Vec<usize> =
            sizes.iter().zip(&view.strides).map(|(&n, &stride)| if stride == 0 { 1 } else { n }).collect();
        if one != sizes && shape.numel() > MOST_EXPANDED {
            return Err(wrong(format!(
                "repeats its numbers until they are {}, more than {MOST_EXPANDED}",
                shape.numel()
            )));
        }
        let tensor = match order(&one, &view.strides) {
            Some(order) => self.view(view, &one, &order),
            None => self.copy(view, &one, name),
        }?;
        tensor.and_then(|tensor| tensor.broadcast_to(shape)).map_err(failed)
    }

    /// How many numbers of the view's type the storage has.
    fn numbers(&self, view: &View) -> Result<u64, TorchError> {
        let storage = &self.container.pickle.storages[view.storage as usize];
        match (storage.stored, view.stored) {
            (has, wants) if has == wants => Ok(storage.numel),
            // Bytes, whose tensors say the type.
            (Stored::U8, wants) => Ok(storage.numel / wants.size() as u64),
            (has, wants) => {
                let what = format!("a tensor reads its {has:?} as {wants:?}");
                Err(TorchError::Storage { key: storage.key.to_string(), what })
            }
        }
    }

    fn bytes(&mut self, view: &View) -> Result<Vec<u8>, TorchError> {
        let storage = self.container.pickle.storages[view.storage as usize].clone();
        let mut bytes = self.container.array(&storage.key, storage.numel, storage.stored)?;
        bytes.truncate(bytes.len() / view.stored.size() * view.stored.size());
        Ok(bytes)
    }

    /// A part of the storage under another arrangement of its axes.
    fn view(&mut self, view: &View, sizes: &[usize], order: &[usize]) -> Result<Result<Tensor, Error>, TorchError> {
        let key = (view.storage, view.stored);
        let whole = match self.whole.get(&key) {
            Some(whole) => whole.clone(),
            None => {
                let bytes = self.bytes(view)?;
                self.read += bytes.len() as u64;
                if self.read > self.container.length {
                    let key = self.container.pickle.storages[view.storage as usize].key.to_string();
                    let what = "all storages together are longer than the file".into();
                    return Err(TorchError::Storage { key, what });
                }
                let n = bytes.len() / view.stored.size();
                match view.stored.tensor(bytes, self.container.big_endian, Shape::new(&[n]).expect("it is in memory")) {
                    Ok(whole) => self.whole.entry(key).or_insert(whole).clone(),
                    Err(error) => return Ok(Err(error)),
                }
            }
        };
        let sorted: Vec<usize> = order.iter().map(|&axis| sizes[axis]).collect();
        let mut back = [0; MAX_RANK];
        order.iter().enumerate().for_each(|(place, &axis)| back[axis] = place as isize);
        let numel = sizes.iter().product();
        Ok(whole
            .narrow(0, view.offset as usize, numel)
            .and_then(|part| part.reshape(&sorted[..]))
            .and_then(|part| part.permute(&back[..sizes.len()])))
    }

    /// The numbers one by one, where they have gaps between them or overlap.
    fn copy(&mut self, view: &View, sizes: &[usize], name: &str) -> Result<Result<Tensor, Error>, TorchError> {
        let size = view.stored.size();
        let storage = &self.container.pickle.storages[view.storage as usize];
        let numel: usize = sizes.iter().product();
        let cost = storage.numel.saturating_mul(storage.stored.size() as u64).saturating_add((numel * size) as u64);
        self.copied = self.copied.saturating_add(cost);
        if self.copied > MOST_COPIES * self.container.length {
            let what =
                format!("and others with gaps take more than {MOST_COPIES} times the file; save x.clone() of them");
            return Err(TorchError::Tensor { name: name.to_string(), what });
        }
        let bytes = self.bytes(view)?;
        let mut out = Vec::with_capacity(numel * size);
        let mut places = vec![0; sizes.len()];
        for _ in 0..numel {
            let at =
                places.iter().zip(&view.strides).fold(view.offset as usize, |at, (&i, &step)| at + i * step as usize);
            out.extend_from_slice(&bytes[at * size..][..size]);
            for (place, &size) in places.iter_mut().zip(sizes).rev() {
                *place += 1;
                if *place < size {
                    break;
                }
                *place = 0;
            }
        }
        let shape = Shape::new(sizes);
        Ok(shape.and_then(|shape| view.stored.tensor(out, self.container.big_endian, shape)))
    }
}

/// The axes in the order in which the numbers lie in memory, if they lie there without gaps and none twice.
fn order(sizes: &[usize], strides: &[u64]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&axis| (std::cmp::Reverse(if sizes[axis] == 1 { 0 } else { strides[axis] }), axis));
    let mut step = 1;
    for &axis in order.iter().rev() {
        if sizes[axis] != 1 && strides[axis] != step {
            return None;
        }
        step *= sizes[axis] as u64;
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn what_lies_without_gaps_is_told() {
        assert_eq!(order(&[2, 3], &[3, 1]), Some(vec![0, 1]));
        assert_eq!(order(&[3, 2], &[1, 3]), Some(vec![1, 0]));
        assert_eq!(order(&[4, 2, 3], &[3, 12, 1]), Some(vec![1, 0, 2]));
        assert_eq!(order(&[1, 3], &[77, 1]), Some(vec![1, 0]));
        assert_eq!(order(&[], &[]), Some(vec![]));
        assert_eq!(order(&[2, 3], &[6, 2]), None);
        assert_eq!(order(&[2, 3], &[1, 1]), None);
    }
}
