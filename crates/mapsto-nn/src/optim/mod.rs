//! Optimisers: rules by which parameters move, and what they remember of past steps.

mod adaptive;
mod algorithm;
mod composed;
mod gradients;

pub use adaptive::{Adadelta, Adagrad, Adam, AdamW, Adamax, Lamb, Lion, NAdam, RAdam, RmsProp, Rprop};
pub(crate) use algorithm::domain;
pub use algorithm::{Algorithm, Asgd, Sgd};
pub use composed::{Adafactor, AdjustLr, Muon};
pub use gradients::{Accumulator, clip_grad_norm, clip_grad_value, gradient_norms, scale_gradients};
pub use mapsto_tensor::update::Norm;

use crate::file::{read_state, write_state};
use crate::module::Module;
use crate::param::Param;
use crate::schedule::Schedule;
use crate::state::StateDict;
use algorithm::Direction;
use mapsto_tensor::update::{Slot, update};
use mapsto_tensor::{Error, GradOptions, Gradients, Result, Tensor, composed, grad, no_grad};
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
    /// The settings. Those set here hold from the next step on: what it remembers of past steps stays where they still
    /// name it, and begins where they newly do; another algorithm begins anew.
    pub algorithm: Algorithm,
    /// The settings that the members' pasts belong to.
    settled: Algorithm,
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

    /// What settings that have changed make of a member's past, where that differs from it.
    fn resettled(&self, member: &Member) -> Result<Option<Past>> {
        let (shape, same) = (member.param.shape(), self.settled.name() == self.algorithm.name());
        let [before, now] = [&self.settled, &self.algorithm].map(|settings| settings.method().states(shape));
        if member.past.t == 0 || (same && before == now) {
            return Ok(None);
        }
        if !same || before.is_empty() {
            return Ok(Some(Past::default()));
        }
        let begun = self.algorithm.method().begin(shape, member.param.dtype())?;
        let kept = |name| Some(member.past.state[before.iter().position(|own| *own == name)?].clone());
        let state = now.into_iter().zip(begun).map(|(name, begun)| kept(name).unwrap_or(begun)).collect();
        Ok(Some(Past { state, ..member.past }))
    }

    /// Takes up settings that have changed.
    fn settle(&mut self) -> Result<()> {
        if self.algorithm == self.settled {
            return Ok(());
        }
        for member in &self.members {
            let within = |e: Error| e.within(member.name.as_str()).within(self.algorithm.name());
            self.algorithm.check(member.param.shape()).map_err(within)?;
        }
        let pasts = self.members.iter().map(|member| self.resettled(member)).collect::<Result<Vec<_>>>()?;
        for (member, past) in self.members.iter_mut().zip(pasts) {
            if let Some(past) = past {
                member.past = past;
            }
        }
        self.settled = self.algorithm.clone();
        Ok(())
    }
}

/// A parameter and what is remembered of its past.
struct Member {
    name: String,
    param: Param,
    past: Past,
}

/// What is remembered of past steps.
struct Past {
    /// How many.
    t: u64,
    /// NAdam's product of momentum coefficients.
    product: f64,
    /// The algorithm's states, in its order; none before the first step.
    state: Vec<Tensor>,
}

impl Default for Past {
    fn default() -> Past {
        Past { t: 0, product: 1.0, state: Vec::new() }
    }
}

/// Fails where a parameter, of which `holder` was made, has become computed from others since.
pub(crate) fn expect_own_value(name: &str, param: &Param, holder: &str) -> Result<()> {
    let Some(by) = param.parametrization() else { return Ok(()) };
    Err(Error::argument(format!("{name} is computed from other parameters by now ({})", by.kind()))
        .mend(format!("make {holder} after weight_norm and the like")))
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
            let member = Member { name, param, past: Past::default() };
            match groups.iter_mut().find(|group| group.algorithm == algorithm) {
                Some(group) => group.members.push(member),
                None => groups.push(Group {
                    base_lr: algorithm.lr(),
                    settled: algorithm.clone(),
                    algorithm,
                    members: vec![member],
                }),
            }
        }
        if groups.is_empty() {
            return Err(Error::argument("there is no parameter to move").op("Optimizer").at(at));
        }
        Ok(Optimizer { groups })
    }

    /// A step down this loss: its gradients with respect to this optimiser's parameters and [`Optimizer::step`]. Gradients
    /// of other parameters are not computed, of a judge, say, that another optimiser trains.
    ///
    /// # Errors
    /// Those of [`Tensor::backward`] and [`Optimizer::step`].
    #[track_caller]
    pub fn minimize(&mut self, loss: &Tensor) -> Result<()> {
        composed("minimize", || {
            let params = self.groups.iter().flat_map(|group| &group.members).map(|member| &member.param);
            let trained = params.filter(|param| param.is_trainable());
            let values = trained.map(Param::get).collect::<Result<Vec<_>>>()?;
            let found = grad(&[loss], None, &values.iter().collect::<Vec<_>>(), GradOptions::default())?;
            let mut gradients = Gradients::default();
            for (value, gradient) in values.iter().zip(found) {
                if let Some(gradient) = gradient {
                    gradients.insert(value, gradient);
                }
            }
            // The values have one owner while they move: no copies.
            drop(values);
            self.step(&gradients)
        })
    }

    /// One step: every parameter that has a gradient moves. Other threads must not use the network meanwhile.
    ///
    /// # Errors
    /// No gradient for any parameter; a gradient that does not fit; settings outside their domains; a parameter that has
    /// become computed from others. Then nothing has moved, and nothing is remembered of it.
    #[track_caller]
    pub fn step(&mut self, gradients: &Gradients) -> Result<()> {
        let at = Location::caller();
        let mut taken: Vec<Option<(Tensor, &Tensor)>> = Vec::new();
        let mut fit = Ok(());
        for member in self.groups.iter().flat_map(|group| &group.members) {
            let value = member.param.take();
            if value.is_none() && fit.is_ok() {
                fit = expect_own_value(&member.name, &member.param, "the optimiser");
            }
            taken.push(value.and_then(|value| match gradients.get(&value) {
                Some(gradient) => Some((value, gradient)),
                None => {
                    member.param.put_back(value);
                    None
                }
            }));
        }
        let moved = fit.and_then(|()| no_grad(|| self.advance(&mut taken)));
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        for (member, taken) in members.zip(taken) {
            if let Some((value, _)) = taken {
                member.param.put_back(value);
            }
        }
        moved.map_err(|e| e.as_of("step", at))
    }

    /// Moves the values that were taken out.
    fn advance(&mut self, taken: &mut [Option<(Tensor, &Tensor)>]) -> Result<()> {
        if taken.iter().all(Option::is_none) {
            let count = taken.len();
            return Err(Error::gradient(format!("none of the {count} parameters has a gradient here")).mend(
                "run backward() on a loss that was computed after the last step, with parameters that are not frozen",
            ));
        }
        self.groups.iter_mut().try_for_each(Group::settle)?;
        // Rules that are made of tensor operations hand a ready direction to the common pass.
        let mut ready: Vec<Option<Direction>> = Vec::with_capacity(taken.len());
        let mut products = Vec::with_capacity(taken.len());
        let mut place = 0;
        for Group { algorithm, members, .. } in &mut self.groups {
            for Member { name, param, past } in members {
                let taken = &taken[place];
                place += 1;
                products.push(past.product);
                let Some((value, gradient)) = taken else {
                    ready.push(None);
                    continue;
                };
                let within = |e: Error| e.within(name.as_str());
                if value.spec() != gradient.spec() {
                    let (wants, has) = (value.spec(), gradient.spec());
                    return Err(within(Error::shape(format!("a gradient {has} does not fit its parameter {wants}"))));
                }
                if past.t == 0 {
                    past.state = algorithm.method().begin(param.shape(), value.dtype())?;
                }
                let direction = algorithm.method().direction(past.t + 1, value, gradient, &past.state);
                ready.push(direction.map_err(within)?);
            }
        }
        let mut slots = Vec::with_capacity(taken.len());
        let members = self.groups.iter_mut().flat_map(|group| {
            let algorithm = &group.algorithm;
            group.members.iter_mut().map(move |member| (algorithm, &mut member.past))
        });
        for ((((algorithm, past), taken), ready), product) in members.zip(&mut *taken).zip(&ready).zip(&mut products) {
            let Some((param, grad)) = taken else { continue };
            slots.push(match ready {
                Some(Direction { rule, along, .. }) => Slot { rule: *rule, param, grad: along, state: &mut [] },
                None => {
                    let rule = algorithm.method().rule(past.t + 1, product);
                    Slot { rule, param, grad, state: &mut past.state }
                }
            });
        }
        update(&mut slots)?;
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        for (((member, taken), ready), product) in members.zip(taken).zip(ready).zip(products) {
            if taken.is_some() {
                member.past.t += 1;
                member.past.product = product;
            }
            if let Some(direction) = ready {
                member.past.state = direction.state;
            }
        }
        Ok(())
    }

    /// Bytes of what is remembered of past steps, or will be after the first, of parameters that are trained.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn state_bytes(&self) -> Result<u64> {
        let at = Location::caller();
        let mut bytes = 0;
        for Group { algorithm, members, .. } in &self.groups {
            for Member { param, past, .. } in members.iter().filter(|member| member.param.is_trainable()) {
                let states = match past.t {
                    0 => algorithm.method().begin(param.shape(), param.dtype()),
                    _ => Ok(past.state.clone()),
                };
                let states = states.map_err(|e| e.as_of("state_bytes", at))?;
                bytes += states.iter().map(|state| (state.numel() * state.dtype().size()) as u64).sum::<u64>();
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
    ///
    /// # Errors
    /// A schedule that makes no sense.
    #[track_caller]
    pub fn follow(&mut self, schedule: &Schedule, step: u64) -> Result<()> {
        let at = Location::caller();
        schedule.check().map_err(|e| e.as_of("follow", at))?;
        for group in &mut self.groups {
            group.algorithm.set_lr(schedule.rate(group.base_lr, step));
            if let Some(momentum) = schedule.momentum(step) {
                group.algorithm.set_momentum(momentum);
            }
        }
        Ok(())
    }

    /// What is remembered of past steps, by parameter name and PyTorch's name of the state: `0.weight.exp_avg`.
    ///
    /// # Errors
    /// A refusal of memory.
    #[track_caller]
    pub fn state_dict(&self) -> Result<StateDict> {
        let at = Location::caller();
        self.remembered().map_err(|e| e.as_of("state_dict", at))
    }

    /// The state as the settings of now name it, although a step may not have taken them up yet.
    fn remembered(&self) -> Result<StateDict> {
        let mut found = StateDict::new();
        for group in &self.groups {
            for member in &group.members {
                let resettled = group.resettled(member)?;
                let Past { t, product, state } = resettled.as_ref().unwrap_or(&member.past);
                if *t == 0 {
                    continue;
                }
                for (state, tensor) in group.algorithm.method().states(member.param.shape()).iter().zip(state) {
                    found.insert(format!("{}.{state}", member.name), tensor.clone());
                }
                found.insert(format!("{}.step", member.name), Tensor::new(*t as i64)?);
                if matches!(group.algorithm, Algorithm::NAdam(_)) {
                    found.insert(format!("{}.mu_product", member.name), Tensor::new(*product)?);
                }
            }
        }
        Ok(found)
    }

    /// Takes up what [`Optimizer::state_dict`] gave, for the same network and algorithms. Nothing has changed after an
    /// error.
    ///
    /// # Errors
    /// States that are missing, left over, or of another shape or type; a count of steps that is none.
    #[track_caller]
    pub fn load_state_dict(&mut self, values: &StateDict) -> Result<()> {
        let at = Location::caller();
        let algorithms = self.groups.iter().map(|group| group.algorithm.clone()).collect();
        self.take_up(algorithms, values).map_err(|e| e.as_of("load_state_dict", at))
    }

    /// Takes up settings for each group, and the states that belong to them.
    fn take_up(&mut self, algorithms: Vec<Algorithm>, values: &StateDict) -> Result<()> {
        let pasts = self.gather(&algorithms, values)?;
        for (group, algorithm) in self.groups.iter_mut().zip(algorithms) {
            (group.settled, group.algorithm) = (algorithm.clone(), algorithm);
        }
        let members = self.groups.iter_mut().flat_map(|group| &mut group.members);
        members.zip(pasts).for_each(|(member, past)| member.past = past);
        Ok(())
    }

    fn gather(&self, algorithms: &[Algorithm], values: &StateDict) -> Result<Vec<Past>> {
        let mut pasts = Vec::new();
        let mut used = 0;
        for (Group { members, .. }, algorithm) in self.groups.iter().zip(algorithms) {
            for Member { name, param, .. } in members {
                algorithm.check(param.shape()).map_err(|e| e.within(name.as_str()).within(algorithm.name()))?;
                let find = |state: &str| {
                    let name = format!("{name}.{state}");
                    values.get(&name).ok_or_else(|| Error::data(format!("no value {name}")))
                };
                let Ok(t) = find("step") else {
                    pasts.push(Past::default());
                    continue;
                };
                let t = t.item::<i64>()?;
                if t < 1 {
                    return Err(Error::data(format!(
                        "{name}.step is {t}, but what is remembered is of a step at least"
                    )));
                }
                used += 1;
                let mut product = 1.0;
                if matches!(algorithm, Algorithm::NAdam(_)) {
                    product = find("mu_product")?.item::<f64>()?;
                    used += 1;
                }
                let fresh = algorithm.method().begin(param.shape(), param.dtype())?;
                let names = algorithm.method().states(param.shape());
                let mut state = Vec::with_capacity(fresh.len());
                for (own, fresh) in names.iter().zip(&fresh) {
                    let value = find(own)?;
                    used += 1;
                    if value.spec() != fresh.spec() {
                        let (has, wants) = (value.spec(), fresh.spec());
                        return Err(Error::data(format!("{name}.{own} is {has}, not {wants}")));
                    }
                    state.push(value.detach());
                }
                pasts.push(Past { t: t as u64, product, state });
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
        Ok(pasts)
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
            let base_lrs: Vec<f64> = records.iter().map(|record| record.base_lr).collect();
            self.take_up(records.into_iter().map(|record| record.algorithm).collect(), &state.tensors)?;
            self.groups.iter_mut().zip(base_lrs).for_each(|(group, base_lr)| group.base_lr = base_lr);
            Ok(())
        };
        take().map_err(|e: Error| e.as_of("load", at).within(path.display().to_string()))
    }
}
