//! Optimisers: rules by which parameters move, and what they remember of past steps.

mod adaptive;
mod algorithm;
mod composed;
mod gradients;

pub use adaptive::{Adadelta, Adagrad, Adam, AdamW, Adamax, Lamb, Lion, NAdam, RAdam, RmsProp, Rprop};
pub use algorithm::{Algorithm, Asgd, Sgd};
pub use composed::{Adafactor, AdjustLr, Muon};
pub use gradients::{Accumulator, clip_grad_norm, clip_grad_value, gradient_norms, scale_gradients};
pub use mapsto_tensor::update::Norm;

use crate::file::{read_state, write_state};
use crate::module::Module;
use crate::param::Param;
use crate::schedule::Schedule;
use crate::state::StateDict;
use mapsto_tensor::update::{Rule, Slot, update};
use mapsto_tensor::{Error, Gradients, Result, Tensor, no_grad};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::panic::Location;
use std::path::Path;

/// Moves a network's parameters by their gradients.
///
/// Parameters with equal settings form a group. All groups, whatever their algorithms, move in one pass.
///
/// ```
/// use mapsto_nn::{AdamW, Linear, Module, Optimizer};
/// let model = Linear::new(3, 2)?.init(0)?;
/// let base = AdamW { lr: 1e-3, weight_decay: 0.1, ..AdamW::default() };
/// // No weight decay on what is not a matrix.
/// let optimizer = Optimizer::grouped(&model, |_, param| {
///     let weight_decay = if param.shape().rank() > 1 { base.weight_decay } else { 0.0 };
///     Some(AdamW { weight_decay, ..base.clone() }.into())
/// })?;
/// assert_eq!(optimizer.groups().len(), 2);
/// # Ok::<(), mapsto_tensor::Error>(())
/// ```
pub struct Optimizer {
    groups: Vec<Group>,
}

/// Parameters that move by the same settings.
pub struct Group {
    /// The settings.
    pub algorithm: Algorithm,
    base_lr: f64,
    members: Vec<Member>,
}

impl Group {
    /// Names of the parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The learning rate that the group was given, which schedules start from.
    pub fn base_lr(&self) -> f64 {
        self.base_lr
    }
}

/// A parameter and what is remembered of its past.
struct Member {
    name: String,
    param: Param,
    /// Steps so far.
    t: u64,
    /// NAdam's product of momentum coefficients.
    product: f64,
    state: Vec<Tensor>,
}

/// What a file says of a group.
#[derive(Serialize, Deserialize)]
struct GroupRecord {
    algorithm: Algorithm,
    base_lr: f64,
    parameters: Vec<String>,
}

impl Optimizer {
    /// Moves all parameters of the network by one algorithm.
    ///
    /// # Errors
    /// Settings outside their domains; a network without parameters.
    #[track_caller]
    pub fn new(module: &(impl Module + ?Sized), algorithm: impl Into<Algorithm>) -> Result<Optimizer> {
        let algorithm = algorithm.into();
        Optimizer::grouped(module, |_, _| Some(algorithm.clone()))
    }

    /// Moves each parameter by the algorithm that `choose` gives for its name; none leaves it alone. A shared parameter
    /// is asked for once, under its first name.
    ///
    /// # Errors
    /// Settings outside their domains, or that do not fit a parameter; no parameter at all.
    #[track_caller]
    pub fn grouped(
        module: &(impl Module + ?Sized),
        mut choose: impl FnMut(&str, &Param) -> Option<Algorithm>,
    ) -> Result<Optimizer> {
        let at = Location::caller();
        let mut groups: Vec<Group> = Vec::new();
        let mut seen = HashSet::new();
        for (name, param) in module.named_parameters() {
            if !seen.insert(param.id()) {
                continue;
            }
            let Some(algorithm) = choose(&name, &param) else { continue };
            algorithm.check(param.shape()).map_err(|e| e.op(algorithm.name()).at(at).within(name.as_str()))?;
            let member = Member { name, param, t: 0, product: 1.0, state: Vec::new() };
            match groups.iter_mut().find(|group| group.algorithm == algorithm) {
                Some(group) => group.members.push(member),
                None => groups.push(Group { base_lr: algorithm.lr(), algorithm, members: vec![member] }),
            }
        }
        if groups.is_empty() {
            return Err(Error::argument("there is no parameter to move").op("Optimizer").at(at));
        }
        Ok(Optimizer { groups })
    }

    /// One step: every parameter that has a gradient moves. Other threads must not use the network meanwhile.
    ///
    /// # Errors
    /// No gradient for any parameter; a gradient that does not fit. Then nothing has moved.
    #[track_caller]
    pub fn step(&mut self, gradients: &Gradients) -> Result<()> {
        let at = Location::caller();
        let mut taken: Vec<Option<(Tensor, &Tensor)>> = Vec::new();
        for member in self.groups.iter().flat_map(|group| &group.members) {
            let value = member.param.take();
            taken.push(match value {
                Some(value) => match gradients.get(&value) {
                    Some(gradient) => Some((value, gradient)),
                    None => {
                        member.param.put_back(value);
                        None
                    }
                },
                None => None,
            });
        }
        let moved = no_grad(|| self.advance(&mut taken));
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        for (member, taken) in members.zip(taken) {
            if let Some((value, _)) = taken {
                member.param.put_back(value);
            }
        }
        moved.map_err(|e| e.op("step").at(at))
    }

    /// Moves the values that were taken out.
    fn advance(&mut self, taken: &mut [Option<(Tensor, &Tensor)>]) -> Result<()> {
        if taken.iter().all(Option::is_none) {
            let count = taken.len();
            return Err(Error::gradient(format!("none of the {count} parameters has a gradient here")).mend(
                "run backward() on a loss that was computed after the last step, with parameters that are not frozen",
            ));
        }
        // Rules that are made of tensor operations hand a ready direction to the common pass.
        let mut ready: Vec<Option<(Rule, Tensor)>> = Vec::with_capacity(taken.len());
        let mut products = Vec::with_capacity(taken.len());
        let mut place = 0;
        for Group { algorithm, members, .. } in &mut self.groups {
            for member in members {
                let taken = &taken[place];
                place += 1;
                products.push(member.product);
                let Some((value, gradient)) = taken else {
                    ready.push(None);
                    continue;
                };
                let within = |e: Error| e.within(member.name.as_str());
                if member.state.is_empty() {
                    member.state = algorithm.method().begin(value)?;
                }
                let direction = algorithm.method().direction(member.t + 1, value, gradient, &mut member.state);
                ready.push(direction.map_err(within)?);
            }
        }
        let mut slots = Vec::with_capacity(taken.len());
        let members = self.groups.iter_mut().flat_map(|group| {
            let algorithm = &group.algorithm;
            group.members.iter_mut().map(move |member| (algorithm, member))
        });
        for ((((algorithm, member), taken), ready), product) in members.zip(&mut *taken).zip(&ready).zip(&mut products)
        {
            let Some((param, grad)) = taken else { continue };
            slots.push(match ready {
                Some((rule, direction)) => Slot { rule: *rule, param, grad: direction, state: &mut [] },
                None => {
                    let rule = algorithm.method().rule(member.t + 1, product);
                    Slot { rule, param, grad, state: &mut member.state }
                }
            });
        }
        update(&mut slots)?;
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        for ((member, taken), product) in members.zip(taken).zip(products) {
            if taken.is_some() {
                member.t += 1;
                member.product = product;
            }
        }
        Ok(())
    }

    /// Bytes of what is remembered of past steps, or will be after the first, of parameters that are trained.
    ///
    /// # Errors
    /// A refusal of memory; parameters without a value.
    pub fn state_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for Group { algorithm, members, .. } in &self.groups {
            for member in members.iter().filter(|member| member.param.is_trainable()) {
                let begun =
                    if member.state.is_empty() { algorithm.method().begin(&member.param.get()?)? } else { Vec::new() };
                let size = |state: &Tensor| (state.numel() * state.dtype().size()) as u64;
                bytes += member.state.iter().chain(&begun).map(size).sum::<u64>();
            }
        }
        Ok(bytes)
    }

    /// The groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The groups, to change their settings.
    pub fn groups_mut(&mut self) -> &mut [Group] {
        &mut self.groups
    }

    /// Sets every group to the learning rate (and momentum, where the schedule moves it) of a step, counted from 0.
    pub fn follow(&mut self, schedule: &Schedule, step: u64) {
        for group in &mut self.groups {
            group.algorithm.set_lr(schedule.rate(group.base_lr, step));
            if let Some(momentum) = schedule.momentum(step) {
                group.algorithm.set_momentum(momentum);
            }
        }
    }

    /// What is remembered of past steps, by parameter name and PyTorch's name of the state: `0.weight.exp_avg`.
    ///
    /// # Errors
    /// A refusal of memory.
    pub fn state_dict(&self) -> Result<StateDict> {
        let mut found = StateDict::new();
        for Group { algorithm, members, .. } in &self.groups {
            for member in members.iter().filter(|member| member.t > 0) {
                for (state, tensor) in algorithm.method().states(member.param.shape()).iter().zip(&member.state) {
                    found.insert(format!("{}.{state}", member.name), tensor.clone());
                }
                found.insert(format!("{}.step", member.name), Tensor::new(member.t as i64)?);
                if matches!(algorithm, Algorithm::NAdam(_)) {
                    found.insert(format!("{}.mu_product", member.name), Tensor::new(member.product)?);
                }
            }
        }
        Ok(found)
    }

    /// Takes up what [`Optimizer::state_dict`] gave, for the same network and algorithms. Nothing has changed after an
    /// error.
    ///
    /// # Errors
    /// States that are missing, left over, or of another shape or type.
    #[track_caller]
    pub fn load_state_dict(&mut self, values: &StateDict) -> Result<()> {
        let at = Location::caller();
        let loaded = self.gather(values).map_err(|e| e.op("load_state_dict").at(at))?;
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        for (member, (t, product, state)) in members.zip(loaded) {
            (member.t, member.product, member.state) = (t, product, state);
        }
        Ok(())
    }

    fn gather(&self, values: &StateDict) -> Result<Vec<(u64, f64, Vec<Tensor>)>> {
        let mut loaded = Vec::new();
        let mut used = 0;
        for Group { algorithm, members, .. } in &self.groups {
            for member in members {
                let find = |state: &str| {
                    let name = format!("{}.{state}", member.name);
                    values.get(&name).ok_or_else(|| Error::data(format!("no value {name}")))
                };
                let Ok(t) = find("step") else {
                    loaded.push((0, 1.0, Vec::new()));
                    continue;
                };
                used += 1;
                let mut product = 1.0;
                if matches!(algorithm, Algorithm::NAdam(_)) {
                    product = find("mu_product")?.item::<f64>()?;
                    used += 1;
                }
                let like = Tensor::zeros(*member.param.shape(), member.param.dtype())?;
                let fresh = algorithm.method().begin(&like)?;
                let names = algorithm.method().states(member.param.shape());
                let mut state = Vec::with_capacity(fresh.len());
                for (name, fresh) in names.iter().zip(&fresh) {
                    let value = find(name)?;
                    used += 1;
                    if value.spec() != fresh.spec() {
                        let (has, wants) = (value.spec(), fresh.spec());
                        return Err(Error::data(format!("{}.{name} is {has}, not {wants}", member.name)));
                    }
                    state.push(value.detach());
                }
                loaded.push((t.item::<i64>()? as u64, product, state));
            }
        }
        if used < values.len() {
            let (given, names) = (values.len(), values.keys().take(3).cloned().collect::<Vec<_>>().join(", "));
            return Err(Error::data(format!(
                "{} of {given} values are not this optimiser's ({names}, ...)",
                given - used
            ))
            .mend("make it for the same network with the same algorithms"));
        }
        Ok(loaded)
    }

    /// Writes state and settings to a safetensors file.
    ///
    /// # Errors
    /// A refusal of the system.
    #[track_caller]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let record = |group: &Group| GroupRecord {
            algorithm: group.algorithm.clone(),
            base_lr: group.base_lr,
            parameters: group.names().map(String::from).collect(),
        };
        let groups: Vec<GroupRecord> = self.groups.iter().map(record).collect();
        let groups = serde_json::to_string(&groups).map_err(|e| Error::data(format!("cannot write settings: {e}")))?;
        write_state(path, &self.state_dict()?, &BTreeMap::from([("optimizer".to_string(), groups)]))
    }

    /// Takes up state and settings from a file that [`Optimizer::save`] wrote for the same network.
    ///
    /// # Errors
    /// A file that is not one; other groups than this optimiser's.
    #[track_caller]
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let (path, at) = (path.as_ref(), Location::caller());
        let state = read_state(path)?;
        let mut take = || {
            let text = state.metadata.get("optimizer").ok_or_else(|| Error::data("the file holds no optimiser"))?;
            let records: Vec<GroupRecord> =
                serde_json::from_str(text).map_err(|e| Error::data(format!("settings that cannot be read: {e}")))?;
            let same = |(group, record): (&Group, &GroupRecord)| {
                group.names().eq(record.parameters.iter().map(String::as_str))
                    && group.algorithm.name() == record.algorithm.name()
            };
            if records.len() != self.groups.len() || !self.groups.iter().zip(&records).all(same) {
                return Err(Error::data("the file's groups are not this optimiser's")
                    .mend("make it for the same network with the same algorithms"));
            }
            self.load_state_dict(&state.tensors)?;
            for (group, record) in self.groups.iter_mut().zip(records) {
                (group.algorithm, group.base_lr) = (record.algorithm, record.base_lr);
            }
            Ok(())
        };
        take().map_err(|e: Error| e.as_of("load", at).within(path.display().to_string()))
    }
}
