//! The stack machine.

use super::bytes::Bytes;
use super::global::{self, shown};
use super::{Id, Node, Pickle, PickleError, Storage};
use std::collections::HashMap;
use std::io::BufRead;

/// Values that a pickle puts on the stack or into a copy, at most.
const MOST_VALUES: u64 = 1 << 23;
/// Bytes of an integer, at most.
const MOST_INT: usize = 16;

pub(super) struct Machine<'a, R> {
    pub bytes: Bytes<'a, R>,
    stack: Vec<Id>,
    /// The stack's lengths where marks were set.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// The index of each storage.
    pub known: HashMap<Storage, u32>,
    values: u64,
    pub out: Pickle,
}

pub(super) fn run(from: &mut impl BufRead) -> Result<Pickle, PickleError> {
    let mut machine = Machine {
        bytes: Bytes::of(from),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        known: HashMap::new(),
        values: 0,
        out: Pickle::default(),
    };
    while machine.step()? {}
    machine.out.root = machine.pop()?;
    Ok(machine.out)
}

impl<R: BufRead> Machine<'_, R> {
    /// Runs one instruction; false where it was the last.
    fn step(&mut self) -> Result<bool, PickleError> {
        let code = self.bytes.u8()?;
        match code {
            b'.' => return Ok(false),
            // PROTO, FRAME: how it was written.
            0x80 => drop(self.bytes.u8()?),
            0x95 => drop(self.bytes.u64()?),
            // Numbers.
            b'N' => self.make(Node::None)?,
            0x88 | 0x89 => self.make(Node::Inert)?,
            b'J' => {
                let x = i32::from_le_bytes(self.bytes.array()?);
                self.make(Node::Int(x as i128))?;
            }
            b'K' => {
                let x = self.bytes.u8()?;
                self.make(Node::Int(x as i128))?;
            }
            b'M' => {
                let x = u16::from_le_bytes(self.bytes.array()?);
                self.make(Node::Int(x as i128))?;
            }
            0x8a => {
                let length = self.bytes.u8()?;
                self.long(length as u64)?;
            }
            0x8b => {
                let length = self.bytes.u32()?;
                self.long(length as u64)?;
            }
            b'I' | b'L' => {
                let line = self.bytes.line()?;
                let node = match (code, line.as_str()) {
                    // Truth values.
                    (b'I', "00" | "01") => Node::Inert,
                    (_, digits) => Node::Int(digits.strip_suffix('L').unwrap_or(digits).parse().map_err(|_| {
                        self.bytes.damaged(format!("{:?} is no integer of {MOST_INT} bytes", shown(digits)))
                    })?),
                };
                self.make(node)?;
            }
            b'G' => {
                self.bytes.array::<8>()?;
                self.make(Node::Inert)?;
            }
            // Texts and bytes. What Python 2 wrote as bytes is text where it can be.
            0x8c | b'U' => {
                let length = self.bytes.u8()?;
                self.text(length as u64, code == b'U')?;
            }
            b'X' | b'T' => {
                let length = self.bytes.u32()?;
                self.text(length as u64, code == b'T')?;
            }
            0x8d => {
                let length = self.bytes.u64()?;
                self.text(length, false)?;
            }
            b'C' => {
                let length = self.bytes.u8()?;
                self.opaque(length as u64)?;
            }
            b'B' => {
                let length = self.bytes.u32()?;
                self.opaque(length as u64)?;
            }
            0x8e | 0x96 => {
                let length = self.bytes.u64()?;
                self.opaque(length)?;
            }
            // Containers.
            b'(' => {
                self.spend(1)?;
                self.marks.push(self.stack.len());
            }
            b']' => self.make(Node::List(Vec::new()))?,
            b')' => self.make(Node::Tuple(Vec::new()))?,
            b'}' => self.make(Node::Dict(Vec::new()))?,
            0x8f => self.make(Node::Inert)?,
            b'l' => {
                let items = self.marked()?;
                self.make(Node::List(items))?;
            }
            b't' => {
                let items = self.marked()?;
                self.make(Node::Tuple(items))?;
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub((code - 0x84) as usize);
                let Some(from) = from.filter(|&from| from >= self.floor()) else { return Err(self.short()) };
                let items = self.stack.split_off(from);
                self.make(Node::Tuple(items))?;
            }
            b'd' => {
                let items = self.marked()?;
                let pairs = self.pairs(items)?;
                self.make(Node::Dict(pairs))?;
            }
            0x91 => {
                self.marked()?;
                self.make(Node::Inert)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.marked()?;
                self.append(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(vec![key, value])?;
            }
            b'u' => {
                let items = self.marked()?;
                self.set(items)?;
            }
            0x90 => {
                self.marked()?;
                let set = self.top()?;
                self.inert_or(set, "ADDITEMS")?;
            }
            // The stack and the memo.
            b'0' => match self.marks.last() {
                Some(&mark) if mark == self.stack.len() => drop(self.marks.pop()),
                _ => drop(self.pop()?),
            },
            b'1' => drop(self.marked()?),
            b'2' => {
                let top = self.top()?;
                self.push(top)?;
            }
            b'h' => {
                let place = self.bytes.u8()?;
                self.recall(place as u32)?;
            }
            b'j' => {
                let place = self.bytes.u32()?;
                self.recall(place)?;
            }
            b'q' => {
                let place = self.bytes.u8()?;
                self.remember(place as u32)?;
            }
            b'r' => {
                let place = self.bytes.u32()?;
                self.remember(place)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            // Names and calls.
            b'c' => {
                let (module, name) = (self.bytes.line()?, self.bytes.line()?);
                self.make(Node::Global(global::find(&module, &name)?))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Node::Text(module), Node::Text(name)) = (self.out.node(module), self.out.node(name)) else {
                    return Err(self.bytes.damaged("a name is no text"));
                };
                let known = global::find(module, name)?;
                self.make(Node::Global(known))?;
            }
            b'R' => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let made = self.call(function, arguments)?;
                self.push(made)?;
            }
            b'b' => {
                self.pop()?;
                let object = self.top()?;
                // Attributes of a dict: the versions of a module's layers.
                if !matches!(self.out.node(object), Node::Dict(_)) {
                    self.inert_or(object, "BUILD")?;
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.storage(id)?;
            }
            b'i' => {
                let (module, name) = (self.bytes.line()?, self.bytes.line()?);
                return Err(self.refused(format!("INST of {}", shown(&format!("{module}.{name}")))));
            }
            b'o' => {
                let class = self.marked()?;
                let class = class.first().map_or("nothing".into(), |&class| self.named(class));
                return Err(self.refused(format!("OBJ of {class}")));
            }
            0x81 | 0x92 => {
                let depth = if code == 0x81 { 2 } else { 3 };
                let class = self.stack.iter().rev().nth(depth - 1);
                let class = class.map_or("nothing".into(), |&class| self.named(class));
                return Err(self.refused(format!("{} of {class}", if depth == 2 { "NEWOBJ" } else { "NEWOBJ_EX" })));
            }
            0x82..=0x84 => return Err(self.refused("EXT".into())),
            0x97 | 0x98 => return Err(self.refused("NEXT_BUFFER".into())),
            b'F' | b'S' | b'V' | b'g' | b'p' | b'P' => {
                return Err(self.refused(format!("{:?}, of protocol 0,", code as char)));
            }
            byte => return Err(PickleError::Unknown { at: self.bytes.at - 1, byte }),
        }
        Ok(true)
    }

    pub fn spend(&mut self, values: u64) -> Result<(), PickleError> {
        self.values += values;
        match self.values <= MOST_VALUES {
            true => Ok(()),
            false => Err(PickleError::TooMuch { at: self.bytes.at, most: MOST_VALUES, what: "values" }),
        }
    }

    fn push(&mut self, id: Id) -> Result<(), PickleError> {
        self.spend(1)?;
        self.stack.push(id);
        Ok(())
    }

    pub fn make(&mut self, node: Node) -> Result<(), PickleError> {
        let id = self.out.nodes.len() as Id;
        self.out.nodes.push(node);
        self.push(id)
    }

    /// The stack's length below which the innermost mark forbids to reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn short(&self) -> PickleError {
        self.bytes.damaged("an instruction finds too few values")
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        match self.stack.len() > self.floor() {
            true => self.stack.pop().ok_or_else(|| self.short()),
            false => Err(self.short()),
        }
    }

    fn top(&self) -> Result<Id, PickleError> {
        self.stack[self.floor()..].last().copied().ok_or_else(|| self.short())
    }

    /// The values above the innermost mark.
    fn marked(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.bytes.damaged("an instruction finds no mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn recall(&mut self, place: u32) -> Result<(), PickleError> {
        match self.memo.get(&place) {
            Some(&id) => self.push(id),
            None => Err(self.bytes.damaged(format!("nothing was kept under {place}"))),
        }
    }

    fn remember(&mut self, place: u32) -> Result<(), PickleError> {
        self.spend(1)?;
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    /// A little-endian integer in two's complement.
    fn long(&mut self, length: u64) -> Result<(), PickleError> {
        if length > MOST_INT as u64 {
            return Err(PickleError::TooMuch { at: self.bytes.at, most: MOST_INT as u64, what: "bytes in an integer" });
        }
        let bytes = self.bytes.block(length)?;
        let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let mut wide = [sign; MOST_INT];
        wide[..bytes.len()].copy_from_slice(&bytes);
        self.make(Node::Int(i128::from_le_bytes(wide)))
    }

    fn text(&mut self, length: u64, or_bytes: bool) -> Result<(), PickleError> {
        let bytes = self.bytes.block(length)?;
        match String::from_utf8(bytes) {
            Ok(text) => self.make(Node::Text(text.into())),
            Err(_) if or_bytes => self.make(Node::Inert),
            Err(_) => Err(self.bytes.damaged("a text is no UTF-8")),
        }
    }

    fn opaque(&mut self, length: u64) -> Result<(), PickleError> {
        self.bytes.block(length)?;
        self.make(Node::Inert)
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        let list = self.top()?;
        match &mut self.out.nodes[list as usize] {
            Node::List(all) => {
                all.extend(items);
                Ok(())
            }
            _ => Err(self.refused(format!("APPEND to {}", self.named(list)))),
        }
    }

    fn set(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        let pairs = self.pairs(items)?;
        let dict = self.top()?;
        match &mut self.out.nodes[dict as usize] {
            Node::Dict(all) => {
                all.extend(pairs);
                Ok(())
            }
            _ => Err(self.refused(format!("SETITEM of {}", self.named(dict)))),
        }
    }

    fn pairs(&self, items: Vec<Id>) -> Result<Vec<(Id, Id)>, PickleError> {
        match items.as_chunks() {
            (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
            _ => Err(self.bytes.damaged("a key has no value")),
        }
    }

    fn inert_or(&self, object: Id, what: &str) -> Result<(), PickleError> {
        match self.out.node(object) {
            Node::Inert => Ok(()),
            _ => Err(self.refused(format!("{what} of {}", self.named(object)))),
        }
    }

    pub fn refused(&self, name: String) -> PickleError {
        PickleError::Opcode { at: self.bytes.at - 1, name }
    }

    /// What a value is, for a message.
    pub fn named(&self, id: Id) -> String {
        match self.out.node(id) {
            Node::None => "None".into(),
            Node::Int(_) => "an integer".into(),
            Node::Inert => "an object".into(),
            Node::Text(text) => format!("the text {:?}", shown(text)),
            Node::List(_) => "a list".into(),
            Node::Tuple(_) => "a tuple".into(),
            Node::Dict(_) => "a dict".into(),
            Node::Global(known) => format!("{}.{}", known.module, known.name),
            Node::Storage(_) => "a storage".into(),
            Node::Tensor(_) => "a tensor".into(),
        }
    }
}
