//! State dicts as safetensors files.

use crate::atomic::write_atomic;
use crate::state::StateDict;
use mapsto_tensor::{DType, Error, Result};
use mapsto_tensor::{Shape, Tensor};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The greatest header that is read: 100 MB, as other readers of the format allow.
const MAX_HEADER: u64 = 100_000_000;
/// The header's entry that is no tensor.
const TEXTS: &str = "__metadata__";

/// What a safetensors file holds.
#[derive(Clone, Default)]
pub struct StateFile {
    /// Values by name.
    pub tensors: StateDict,
    /// Texts by name: a configuration, a version.
    pub metadata: BTreeMap<String, String>,
}

/// Writes values and texts to a safetensors file, as [`write_atomic`] does: a crash leaves the old file or the new one,
/// never a part.
///
/// # Errors
/// A refusal of the system; a tensor of the name `__metadata__`, which the format keeps for texts.
#[track_caller]
pub fn write_state(path: impl AsRef<Path>, tensors: &StateDict, metadata: &BTreeMap<String, String>) -> Result<()> {
    let at = std::panic::Location::caller();
    write(path.as_ref(), tensors, metadata).map_err(|e| e.op("save").at(at))
}

fn write(path: &Path, tensors: &StateDict, metadata: &BTreeMap<String, String>) -> Result<()> {
    if tensors.contains_key(TEXTS) {
        let what = format!("a tensor cannot be named {TEXTS:?}: the format keeps the name for texts");
        return Err(Error::argument(what).mend("rename it"));
    }
    // Largest elements first, so that each tensor is aligned.
    let mut order: Vec<(&String, &Tensor)> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype().size()));
    let mut end = 0;
    let mut infos = Vec::with_capacity(order.len());
    for (name, tensor) in &order {
        let start = end;
        end += tensor.numel() * tensor.dtype().size();
        let info =
            TensorInfo { dtype: stored(tensor.dtype()), shape: tensor.shape().to_vec(), data_offsets: (start, end) };
        infos.push(((*name).clone(), info));
    }
    let texts = (!metadata.is_empty()).then(|| metadata.iter().map(|(k, v)| (k.clone(), v.clone())).collect());
    let not_written = |e: &dyn std::fmt::Display| Error::data(format!("cannot describe the tensors: {e}"));
    let header = Metadata::new(texts, infos).map_err(|e| not_written(&e))?;
    // By way of a value, whose keys are sorted: the same content gives the same bytes.
    let mut header = serde_json::to_value(&header).map_err(|e| not_written(&e))?.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    write_atomic(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        order.iter().try_for_each(|(_, tensor)| out.write_all(&tensor.to_bytes().map_err(io::Error::other)?))
    })
    .map_err(|e| Error::io(format!("cannot write {}", path.display()), e))
}

/// Reads a safetensors file. Sizes that it claims are held against its length before anything is allocated.
///
/// # Errors
/// A file that is not one, is cut short, or holds types of numbers that tensors do not; a refusal of the system.
#[track_caller]
pub fn read_state(path: impl AsRef<Path>) -> Result<StateFile> {
    let (path, at) = (path.as_ref(), std::panic::Location::caller());
    read(path).map_err(|e| e.op("load").at(at).within(path.display().to_string()))
}

fn read(path: &Path) -> Result<StateFile> {
    let refused = |e: io::Error| Error::io("cannot read the file", e);
    let mut file = File::open(path).map_err(refused)?;
    let length = file.metadata().map_err(refused)?.len();
    let broken = |what: String| Error::data(what).mend("is it a whole safetensors file?");
    if length < 8 {
        return Err(broken(format!("the file has {length} bytes, a header's length alone takes 8")));
    }
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(refused)?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER || size > length - 8 {
        return Err(broken(format!("the header claims {size} bytes, the file has {length}")));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(refused)?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|e| broken(format!("the header is not valid: {e}")))?;
    let claimed = header.data_len() as u64;
    if claimed != length - 8 - size {
        return Err(broken(format!(
            "the header claims {claimed} bytes of numbers, the file has {}",
            length - 8 - size
        )));
    }
    let mut found = StateFile::default();
    if let Some(texts) = header.metadata() {
        found.metadata.extend(texts.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let dtype = loaded(info.dtype).map_err(|e| e.within(name.as_str()))?;
        let shape = Shape::new(&info.shape).map_err(|e| e.within(name.as_str()))?;
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        file.seek(SeekFrom::Start(8 + size + start as u64)).map_err(refused)?;
        file.read_exact(&mut bytes).map_err(refused)?;
        let tensor = Tensor::from_bytes(&bytes, shape, dtype).map_err(|e| e.within(name.as_str()))?;
        found.tensors.insert(name, tensor);
    }
    Ok(found)
}

fn stored(dtype: DType) -> Dtype {
    match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::I8 => Dtype::I8,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
    }
}

fn loaded(dtype: Dtype) -> Result<DType> {
    DType::ALL
        .into_iter()
        .find(|&ours| stored(ours) == dtype)
        .ok_or_else(|| Error::dtype(format!("numbers of type {dtype} are not among {:?}", DType::ALL)))
}
