//! Running averages of a network's parameters.

use crate::module::Module;
use crate::param::Param;
use crate::state::StateDict;
use mapsto_tensor::update::{Rule, Slot, update};
use mapsto_tensor::{Error, Result, Tensor};
use serde::{Deserialize, Serialize};

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

/// Averages of a network's parameters, taken beside training and swapped in for evaluation.
pub struct Averaged {
    average: Average,
    count: u64,
    members: Vec<(String, Param, Option<Tensor>)>,
    swapped: bool,
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
                .at(std::panic::Location::caller()));
        }
        let mut seen = std::collections::HashSet::new();
        let named = module.named_parameters().into_iter().filter(|(_, param)| seen.insert(param.id()));
        let members = named.map(|(name, param)| (name, param, None)).collect();
        Ok(Averaged { average, count: 0, members, swapped: false })
    }

    /// Takes the parameters' values of now into the average.
    ///
    /// # Errors
    /// A parameter without a value; averages that are swapped in.
    #[track_caller]
    pub fn update(&mut self) -> Result<()> {
        self.expect_swapped(false, "swap them out first")?;
        let weight = match self.average {
            _ if self.count == 0 => 1.0,
            Average::Exponential { decay } => 1.0 - decay,
            Average::Equal => 1.0 / (self.count + 1) as f64,
        };
        let values = self.members.iter().map(|(name, param, _)| param.get().map_err(|e| e.within(name.as_str())));
        let values = values.collect::<Result<Vec<Tensor>>>()?;
        let mut slots = Vec::with_capacity(values.len());
        for ((_, _, average), value) in self.members.iter_mut().zip(&values) {
            match average {
                Some(param) => slots.push(Slot { rule: Rule::Average { weight }, param, grad: value, state: &mut [] }),
                None => *average = Some(value.detach()),
            }
        }
        update(&mut slots)?;
        self.count += 1;
        Ok(())
    }

    /// Puts the averages into the network, and its own values here, until [`Averaged::swap_out`].
    ///
    /// # Errors
    /// No update yet; averages that are in already.
    #[track_caller]
    pub fn swap_in(&mut self) -> Result<()> {
        self.expect_swapped(false, "swap them out first")?;
        if self.count == 0 {
            return Err(Error::argument("there is no average yet")
                .op("swap_in")
                .at(std::panic::Location::caller())
                .mend("call update() after training steps first"));
        }
        self.swap()?;
        self.swapped = true;
        Ok(())
    }

    /// Undoes [`Averaged::swap_in`].
    ///
    /// # Errors
    /// Averages that are not in.
    #[track_caller]
    pub fn swap_out(&mut self) -> Result<()> {
        self.expect_swapped(true, "swap them in first")?;
        self.swap()?;
        self.swapped = false;
        Ok(())
    }

    fn swap(&mut self) -> Result<()> {
        for (_, param, average) in &mut self.members {
            let own = param.get()?.detach();
            if let Some(average) = average.replace(own) {
                param.set(&average)?;
            }
        }
        Ok(())
    }

    #[track_caller]
    fn expect_swapped(&self, swapped: bool, mend: &str) -> Result<()> {
        if self.swapped == swapped {
            return Ok(());
        }
        let what = if self.swapped { "the averages are in the network" } else { "the averages are not in the network" };
        Err(Error::argument(what).op("Averaged").at(std::panic::Location::caller()).mend(mend))
    }

    /// The averages by parameter name, to save.
    pub fn state_dict(&self) -> StateDict {
        self.members.iter().filter_map(|(name, _, average)| Some((name.clone(), average.clone()?))).collect()
    }

    /// Number of updates.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes up averages that [`Averaged::state_dict`] gave after `count` updates.
    ///
    /// # Errors
    /// A name that is missing, or a shape or type that differs.
    #[track_caller]
    pub fn load_state_dict(&mut self, values: &StateDict, count: u64) -> Result<()> {
        let at = std::panic::Location::caller();
        let fitting = |(name, param, _): &(String, Param, Option<Tensor>)| {
            let value = values.get(name).ok_or_else(|| Error::data(format!("no average of {name}")))?;
            if *value.shape() != *param.shape() || value.dtype() != param.dtype() {
                return Err(Error::shape(format!("an average {} of {name}, which is {param:?}", value.spec())));
            }
            Ok(value.detach())
        };
        let found = self.members.iter().map(fitting).collect::<Result<Vec<Tensor>>>();
        let found = found.map_err(|e| e.op("load_state_dict").at(at))?;
        self.members.iter_mut().zip(found).for_each(|(member, value)| member.2 = Some(value));
        self.count = count;
        Ok(())
    }
}
