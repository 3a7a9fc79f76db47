//! In which module of a tree each operation ran.

use super::scope::{Event, Log};
use crate::module::{Module, Node};
use mapsto_tensor::{Moment, Origin, Record, ValueId};
use std::collections::{HashMap, HashSet};
use std::ptr::from_ref;

/// A module of the tree.
pub(super) struct Place {
    pub path: String,
    pub kind: &'static str,
    /// The module that holds it; the network holds itself.
    pub parent: usize,
    is_leaf: bool,
}

/// The modules of a network, the network first.
pub(super) struct Tree {
    pub places: Vec<Place>,
    /// By place in memory and kind. Modules without size share places.
    modules: HashMap<(usize, &'static str), Vec<usize>>,
    /// By place of a handle in memory.
    handles: HashMap<usize, usize>,
    /// By what a handle means: the first module that holds it.
    meanings: HashMap<usize, usize>,
}

/// Where each value of a record comes from.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// The inputs.
    Data,
    /// Parameters and buffers of a module alone.
    Own(usize),
    /// Neither.
    Constant,
}

/// Where the operations ran and what their values are.
pub(super) struct Placed {
    pub steps: Vec<usize>,
    pub values: Vec<Kind>,
}

impl Tree {
    pub fn of(network: &(impl Module + ?Sized)) -> Tree {
        let mut tree =
            Tree { places: Vec::new(), modules: HashMap::new(), handles: HashMap::new(), meanings: HashMap::new() };
        tree.add(String::new(), network.kind(), from_ref(network).cast::<()>() as usize);
        network.walk(&mut |path, node| match node {
            // A parametrization is a part of the layer whose parameter it computes.
            Node::Module(_) if path.split('.').any(|name| name == "parametrizations") => {}
            Node::Module(module) => tree.add(path.to_string(), module.kind(), from_ref(module).cast::<()>() as usize),
            Node::Param(param) => tree.holds(path, from_ref(param) as usize, param.id()),
            Node::Buffer(buffer) => tree.holds(path, from_ref(buffer) as usize, buffer.id()),
            Node::Mode(_) | Node::Stream(_) => {}
        });
        tree
    }

    fn add(&mut self, path: String, kind: &'static str, address: usize) {
        let (place, parent) = (self.places.len(), self.holder(&path));
        if place > 0 {
            self.places[parent].is_leaf = false;
        }
        self.places.push(Place { path, kind, parent, is_leaf: true });
        self.modules.entry((address, kind)).or_default().push(place);
    }

    fn holds(&mut self, path: &str, address: usize, id: usize) {
        let place = self.holder(path);
        self.handles.insert(address, place);
        self.meanings.entry(id).or_insert(place);
    }

    /// The module that holds what has this name. The latest are looked at first: what is in a module follows it.
    pub fn holder(&self, name: &str) -> usize {
        let holds = |place: &Place| {
            place.path.is_empty() || name.strip_prefix(&place.path).is_some_and(|rest| rest.starts_with('.'))
        };
        self.places.iter().rposition(holds).unwrap_or(0)
    }

    fn parent(&self, place: usize) -> usize {
        self.places[place].parent
    }

    pub fn depth(&self, place: usize) -> usize {
        if place == 0 { 0 } else { 1 + self.depth(self.parent(place)) }
    }

    /// The least module that holds both. A module has a smaller number than those that it holds.
    pub fn common(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            if a > b {
                a = self.parent(a);
            } else {
                b = self.parent(b);
            }
        }
        a
    }

    /// The module that a scope means, inside another one: of several at the same place in memory the first that has not run.
    fn entered(&self, address: usize, kind: &'static str, inside: usize, ran: &mut HashSet<usize>) -> Option<usize> {
        let all = self.modules.get(&(address, kind))?;
        let fits: Vec<usize> = all.iter().copied().filter(|&place| self.common(place, inside) == inside).collect();
        let fresh = fits.iter().copied().find(|place| !ran.contains(place));
        let found = fresh.or(fits.last().copied()).or(all.first().copied());
        ran.extend(found);
        found
    }

    /// The module in which a forward pass failed that ended at a moment: the last one that it came to, if nothing was
    /// computed since, or else the one around what was computed last.
    pub fn failed(&self, log: &Log, end: Moment) -> usize {
        let mut ran = HashSet::new();
        let mut open = vec![0];
        let (mut before, mut at) = (log.first().map_or(end, |(moment, _)| *moment).made, 0);
        let around =
            |open: &[usize]| open.last().map_or(0, |&p| if self.places[p].is_leaf { self.parent(p) } else { p });
        for &(moment, event) in log {
            if moment.made > before + 1 {
                at = around(&open);
            }
            before = moment.made;
            let inside = *open.last().unwrap_or(&0);
            match event {
                Event::Enter { address, kind } => {
                    at = self.entered(address, kind, inside, &mut ran).unwrap_or(inside);
                    open.push(at);
                }
                Event::Exit => _ = open.pop(),
                Event::Read { address, id, .. } => at = self.reader(address, id, inside),
            }
        }
        if end.made > before + 1 { around(&open) } else { at }
    }

    /// The module inside another one that holds a handle, or else that one.
    fn reader(&self, address: usize, id: usize, inside: usize) -> usize {
        let found = self.handles.get(&address).or(self.meanings.get(&id));
        found.copied().filter(|&place| self.common(place, inside) == inside).unwrap_or(inside)
    }

    /// Places every operation. A module's operations are those that run in its scope or read its parameters; others belong
    /// to the module that holds the one before and the one after.
    pub fn place(&self, record: &Record, log: &Log) -> Placed {
        let mut walk = Walk {
            tree: self,
            record,
            owners: HashMap::new(),
            frames: vec![Some(Frame { place: 0, last: None, pending: Vec::new() })],
            placed: Placed {
                steps: vec![0; record.steps().len()],
                values: vec![Kind::Constant; record.origins().len()],
            },
        };
        for (value, origin) in record.origins().iter().enumerate() {
            if let Origin::Input(_) = origin {
                walk.placed.values[value] = Kind::Data;
            }
        }
        let mut ran = HashSet::new();
        let mut events = log.iter().peekable();
        for (number, step) in record.steps().iter().enumerate() {
            while let Some((_, event)) = events.next_if(|(moment, _)| moment.id < step.id) {
                walk.event(*event, &mut ran);
            }
            walk.step(number);
        }
        events.for_each(|(_, event)| walk.event(*event, &mut ran));
        while let Some(frame) = walk.frames.pop() {
            frame.into_iter().for_each(|frame| walk.settle(&frame.pending, frame.place));
        }
        walk.placed
    }
}

/// A scope that is open.
struct Frame {
    place: usize,
    /// Where the latest operation was that had a place, after it.
    last: Option<usize>,
    /// Operations that wait for what comes next.
    pending: Vec<usize>,
}

struct Walk<'a> {
    tree: &'a Tree,
    record: &'a Record,
    /// Which module read a value last.
    owners: HashMap<u64, usize>,
    /// The open scopes; those of modules that are not in the tree are none.
    frames: Vec<Option<Frame>>,
    placed: Placed,
}

impl Walk<'_> {
    fn frame(&mut self) -> &mut Frame {
        self.frames.iter_mut().rev().flatten().next().expect("the network's own frame stays")
    }

    fn settle(&mut self, steps: &[usize], place: usize) {
        steps.iter().for_each(|&step| self.placed.steps[step] = place);
    }

    /// Something with a place comes: what waits lies between it and what was before.
    fn reach(&mut self, next: usize) {
        let tree = self.tree;
        let frame = self.frame();
        let between = tree.common(frame.last.unwrap_or(frame.place), next);
        let pending = std::mem::take(&mut frame.pending);
        self.settle(&pending, between);
    }

    fn event(&mut self, event: Event, ran: &mut HashSet<usize>) {
        match event {
            Event::Enter { address, kind } => {
                let inside = self.frame().place;
                let found = self.tree.entered(address, kind, inside, ran);
                if let Some(place) = found {
                    self.reach(self.tree.parent(place));
                }
                self.frames.push(found.map(|place| Frame { place, last: None, pending: Vec::new() }));
            }
            Event::Exit => {
                if let Some(Some(frame)) = self.frames.pop() {
                    self.settle(&frame.pending, frame.place);
                    let outside = self.tree.parent(frame.place);
                    self.frame().last = Some(outside);
                }
            }
            Event::Read { address, id, value } => {
                let inside = self.frame().place;
                self.owners.insert(value, self.tree.reader(address, id, inside));
            }
        }
    }

    fn kind(&self, value: ValueId) -> Kind {
        match &self.record.origins()[value] {
            Origin::Leaf(leaf) => self.owners.get(&leaf.id()).map_or(Kind::Constant, |&place| Kind::Own(place)),
            _ => self.placed.values[value],
        }
    }

    fn step(&mut self, number: usize) {
        let step = &self.record.steps()[number];
        let mut own: Option<usize> = None;
        let mut is_data = false;
        for &value in &step.inputs {
            match self.kind(value) {
                Kind::Data => is_data = true,
                Kind::Own(place) => own = Some(own.map_or(place, |other| self.tree.common(other, place))),
                Kind::Constant => {}
            }
        }
        let kind = match own {
            _ if is_data => Kind::Data,
            Some(place) => Kind::Own(place),
            None => Kind::Constant,
        };
        step.outputs.iter().for_each(|&value| self.placed.values[value] = kind);
        let inside = self.frame().place;
        match own {
            Some(place) => {
                let place = if self.tree.common(place, inside) == inside { place } else { inside };
                self.reach(place);
                self.frame().last = Some(place);
                self.placed.steps[number] = place;
            }
            None => self.frame().pending.push(number),
        }
    }
}
