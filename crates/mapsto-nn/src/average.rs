//! Running averages of a network's parameters.

use crate::module::Module;
use crate::optim::expect_own_value;
use crate::param::Param;
use crate::state::StateDict;
use mapsto_tensor::update::{Rule, Slot, state_dtype, update};
use mapsto_tensor::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::panic::Location;

/// How new values enter an average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// The average moves by a share of `1 - decay` (Polyak and Juditsky, 1992).
    Exponential {
        /// Share that stays.
        decay: f64,
    },
    /// All values count alike: stochastic weight averaging (Izmailov et al., *Averaging Weights Leads to Wider Optima and
    /// Better Generalization*, 2018).
    Equal,
}

/// Averages of a network's parameters, taken beside training and swapped in for evaluation. Those of half precision are
/// kept in `f32`, so that small moves are not rounded away.
pub struct Averaged {
    average: Average,
    count: u64,
    members: Vec<Member>,
    swapped: bool,
}

/// A parameter and its average.
struct Member {
    name: String,
    param: Param,
    /// None before the first update.
    average: Option<Tensor>,
    /// The parameter's own value, while the average is in the network.
    own: Option<Tensor>,
}

impl Averaged {
    /// Averages of this network's parameters. The first update copies.
    ///
    /// # Errors
    /// A decay outside `[0, 1]`.
    #[track_caller]
    pub fn new(module: &impl Module, average: Average) -> Result<Averaged> {
        if let Average::Exponential { decay } = average
            && !(0.0..=1.0).contains(&decay)
        {
            return Err(Error::argument(format!("the decay of an average lies in [0, 1], got {decay}"))
                .op("Averaged")
                .at(Location::caller()));
        }
        let mut seen = std::collections::HashSet::new();
        let named = module.named_parameters().into_iter().filter(|(_, param)| seen.insert(param.id()));
        let members = named.map(|(name, param)| Member { name, param, average: None, own: None }).collect();
        Ok(Averaged { average, count: 0, members, swapped: false })
    }

    /// Takes the parameters' values of now into the average.
    ///
    /// # Errors
    /// A parameter without a value, or that has become computed from others; averages that are swapped in.
    #[track_caller]
    pub fn update(&mut self) -> Result<()> {
        let at = Location::caller();
        self.expect_swapped(false, "swap them out first")?;
        self.take_in().map_err(|e| e.as_of("Averaged", at))
    }

    fn take_in(&mut self) -> Result<()> {
        let weight = match self.average {
            _ if self.count == 0 => 1.0,
            Average::Exponential { decay } => 1.0 - decay,
            Average::Equal => 1.0 / (self.count + 1) as f64,
        };
        let wide = |value: Tensor| value.detach().to_dtype(state_dtype(value.dtype()));
        let values = self.own_values()?.into_iter().map(wide).collect::<Result<Vec<Tensor>>>()?;
        let mut slots = Vec::with_capacity(values.len());
        for (member, value) in self.members.iter_mut().zip(&values) {
            match &mut member.average {
                Some(param) => {
                    // The network may have another type by now.
                    *param = param.to_dtype(value.dtype())?;
                    slots.push(Slot { rule: Rule::Average { weight }, param, grad: value, state: &mut [] });
                }
                first => *first = Some(value.clone()),
            }
        }
        update(&mut slots)?;
        self.count += 1;
        Ok(())
    }

    /// Puts the averages into the network until [`Averaged::swap_out`].
    ///
    /// # Errors
    /// No update yet; averages that are in already; a parameter that has become computed from others.
    #[track_caller]
    pub fn swap_in(&mut self) -> Result<()> {
        let at = Location::caller();
        self.expect_swapped(false, "swap them out first")?;
        if self.count == 0 {
            return Err(Error::argument("there is no average yet")
                .op("swap_in")
                .at(at)
                .mend("call update() after training steps first"));
        }
        let swap = || {
            let own = self.own_values()?;
            // All are made before the first is put in.
            let narrow = |(member, own): (&Member, &Tensor)| match &member.average {
                Some(average) => average.to_dtype(own.dtype()),
                None => Ok(own.detach()),
            };
            let averages = self.members.iter().zip(&own).map(narrow).collect::<Result<Vec<Tensor>>>()?;
            self.members.iter().zip(&averages).try_for_each(|(member, average)| member.param.set(average))?;
            Ok(own)
        };
        let own = swap().map_err(|e: Error| e.as_of("swap_in", at))?;
        self.members.iter_mut().zip(own).for_each(|(member, own)| member.own = Some(own.detach()));
        self.swapped = true;
        Ok(())
    }

    /// Undoes [`Averaged::swap_in`]: the network has its own values again.
    ///
    /// # Errors
    /// Averages that are not in; a parameter that has become computed from others.
    #[track_caller]
    pub fn swap_out(&mut self) -> Result<()> {
        let at = Location::caller();
        self.expect_swapped(true, "swap them in first")?;
        let swap = || {
            self.own_values()?;
            let own = |member: &Member| member.own.as_ref().map_or(Ok(()), |own| member.param.set(own));
            self.members.iter().try_for_each(own)
        };
        swap().map_err(|e| e.as_of("swap_out", at))?;
        self.members.iter_mut().for_each(|member| member.own = None);
        self.swapped = false;
        Ok(())
    }

    /// The values that are in the network, of parameters that have one of their own.
    fn own_values(&self) -> Result<Vec<Tensor>> {
        let value = |Member { name, param, .. }: &Member| {
            expect_own_value(name, param, "the averages")?;
            param.get().map_err(|e| e.within(name.as_str()))
        };
        self.members.iter().map(value).collect()
    }

    #[track_caller]
    fn expect_swapped(&self, swapped: bool, mend: &str) -> Result<()> {
        if self.swapped == swapped {
            return Ok(());
        }
        let what = if self.swapped { "the averages are in the network" } else { "the averages are not in the network" };
        Err(Error::argument(what).op("Averaged").at(Location::caller()).mend(mend))
    }

    /// The averages by parameter name, to save: they and not the network's own values, also while they are swapped in.
    pub fn state_dict(&self) -> StateDict {
        self.members.iter().filter_map(|member| Some((member.name.clone(), member.average.clone()?))).collect()
    }

    /// Number of updates.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes up averages that [`Averaged::state_dict`] gave after `count` updates.
    ///
    /// # Errors
    /// A name that is missing, or a shape or type that differs; averages that are swapped in.
    #[track_caller]
    pub fn load_state_dict(&mut self, values: &StateDict, count: u64) -> Result<()> {
        let at = Location::caller();
        self.expect_swapped(false, "swap them out first")?;
        let fitting = |Member { name, param, .. }: &Member| {
            let value = values.get(name).ok_or_else(|| Error::data(format!("no average of {name}")))?;
            let wants = state_dtype(param.dtype());
            if *value.shape() != *param.shape() || value.dtype() != wants {
                let (has, shape) = (value.spec(), param.shape());
                return Err(Error::shape(format!("the average of {name} is {has}, not {wants}{shape}")));
            }
            Ok(value.detach())
        };
        let found = self.members.iter().map(fitting).collect::<Result<Vec<Tensor>>>();
        let found = found.map_err(|e| e.as_of("load_state_dict", at))?;
        self.members.iter_mut().zip(found).for_each(|(member, value)| member.average = Some(value));
        self.count = count;
        Ok(())
    }
}
