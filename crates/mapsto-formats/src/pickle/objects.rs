//! What calls and references to storages build.

use super::global::Meaning;
use super::machine::Machine;
use super::{Id, Node, PickleError, Storage, View};
use crate::elements::Stored;
use mapsto_tensor::MAX_RANK;
use std::io::BufRead;

/// Bytes of the name of a storage, at most.
const MOST_KEY: usize = 64;

impl<R: BufRead> Machine<'_, R> {
    /// What a call gives.
    pub fn call(&mut self, function: Id, arguments: Id) -> Result<Id, PickleError> {
        let Node::Global(known) = *self.out.node(function) else {
            return Err(self.refused(format!("REDUCE of {}", self.named(function))));
        };
        let full = || format!("{}.{}", known.module, known.name);
        let Node::Tuple(arguments) = self.out.node(arguments) else {
            return Err(self.bytes.damaged(format!("{} is called with no tuple", full())));
        };
        let wrong =
            |machine: &Self| machine.bytes.damaged(format!("{} is called with other values than it takes", full()));
        let node = match (known.meaning, &arguments[..]) {
            (Meaning::Dict, []) => Node::Dict(Vec::new()),
            (Meaning::Dict, &[content]) => Node::Dict(self.dict_of(content)?.ok_or_else(|| wrong(self))?),
            (Meaning::Tuple, &[sizes]) if matches!(self.out.node(sizes), Node::Tuple(_) | Node::List(_)) => {
                return Ok(sizes);
            }
            (Meaning::Parameter, &[tensor, ..]) if matches!(self.out.node(tensor), Node::Tensor(_)) => {
                return Ok(tensor);
            }
            (Meaning::Tensor | Meaning::TensorV2, &[storage, offset, sizes, strides, ..]) => {
                self.tensor([storage, offset, sizes, strides], None)?.ok_or_else(|| wrong(self))?
            }
            (Meaning::TensorV3, &[storage, offset, sizes, strides, _, _, dtype, ..]) => {
                self.tensor([storage, offset, sizes, strides], Some(dtype))?.ok_or_else(|| wrong(self))?
            }
            (Meaning::Inert, _) => Node::Inert,
            (Meaning::StorageOf(_) | Meaning::Untyped | Meaning::DType(_) | Meaning::Lacking(_), _) => {
                return Err(self.refused(format!("REDUCE of {}", full())));
            }
            _ => return Err(wrong(self)),
        };
        self.out.nodes.push(node);
        Ok(self.out.nodes.len() as Id - 1)
    }

    /// A copy of a dict, or of a list of pairs.
    fn dict_of(&mut self, content: Id) -> Result<Option<Vec<(Id, Id)>>, PickleError> {
        let length = match self.out.node(content) {
            Node::Dict(pairs) => pairs.len(),
            Node::List(items) => items.len(),
            _ => return Ok(None),
        };
        // Copies of one dict count each time.
        self.spend(length as u64)?;
        Ok(match self.out.node(content) {
            Node::Dict(pairs) => Some(pairs.clone()),
            Node::List(items) => items.iter().map(|&item| self.pair(item)).collect(),
            _ => None,
        })
    }

    fn pair(&self, id: Id) -> Option<(Id, Id)> {
        match self.out.node(id) {
            Node::Tuple(items) | Node::List(items) => match items[..] {
                [key, value] => Some((key, value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// A tensor, if the arguments are of the right kinds.
    fn tensor(&mut self, arguments: [Id; 4], dtype: Option<Id>) -> Result<Option<Node>, PickleError> {
        let [storage, offset, sizes, strides] = arguments.map(|id| self.out.node(id));
        let &Node::Storage(storage) = storage else { return Ok(None) };
        let stored = match dtype.map(|id| self.out.node(id)) {
            None => self.out.storages[storage as usize].stored,
            Some(Node::Global(known)) => match known.meaning {
                Meaning::DType(stored) => stored,
                Meaning::Lacking(name) => return Err(PickleError::Lacking(name)),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let view = (|| {
            let (sizes, strides) = (self.numbers(sizes)?, self.numbers(strides)?);
            let offset = self.number(offset)?;
            (sizes.len() == strides.len()).then_some(View { storage, stored, offset, sizes, strides })
        })();
        let Some(view) = view else { return Ok(None) };
        if view.sizes.len() > MAX_RANK {
            return Err(PickleError::Axes { axes: view.sizes.len() });
        }
        self.out.tensors.push(view);
        Ok(Some(Node::Tensor(self.out.tensors.len() as u32 - 1)))
    }

    fn number(&self, node: &Node) -> Option<u64> {
        match node {
            &Node::Int(x) => x.try_into().ok(),
            _ => None,
        }
    }

    fn numbers(&self, node: &Node) -> Option<Vec<u64>> {
        match node {
            Node::Tuple(items) | Node::List(items) => items.iter().map(|&id| self.number(self.out.node(id))).collect(),
            _ => None,
        }
    }

    /// `("storage", class, key, device, count)`, and in the old format what the storage is a view of.
    pub fn storage(&mut self, id: Id) -> Result<(), PickleError> {
        let other = |machine: &Self| machine.refused(format!("BINPERSID of {}", machine.named(id)));
        let Node::Tuple(items) = self.out.node(id) else { return Err(other(self)) };
        let nodes: Vec<&Node> = items.iter().take(7).map(|&id| self.out.node(id)).collect();
        let (kind, class, key, numel) = match nodes[..] {
            [kind, class, key, _, numel] | [kind, class, key, _, numel, Node::None] => (kind, class, key, numel),
            [_, _, _, _, _, _] => return Err(self.refused("BINPERSID of a storage that is a view of another".into())),
            _ => return Err(other(self)),
        };
        let (Node::Text(kind), Node::Global(class), Node::Text(key), Some(numel)) =
            (kind, class, key, self.number(numel))
        else {
            return Err(other(self));
        };
        let stored = match class.meaning {
            // Keys are numbers; a long one would be copied again and again.
            _ if &**kind != "storage" || key.len() > MOST_KEY => return Err(other(self)),
            Meaning::StorageOf(stored) => stored,
            Meaning::Untyped => Stored::U8,
            Meaning::Lacking(name) => return Err(PickleError::Lacking(name)),
            _ => return Err(other(self)),
        };
        let storage = Storage { key: key.clone(), stored, numel };
        let index = *self.known.entry(storage.clone()).or_insert_with(|| {
            self.out.storages.push(storage);
            self.out.storages.len() as u32 - 1
        });
        self.make(Node::Storage(index))
    }
}
