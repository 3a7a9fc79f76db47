//! The rules' formulas, element by element.

use crate::cpu::isa::simd;
use crate::dtype::Element;
use crate::update::Rule;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A float in whose own precision parameters move.
pub(super) trait Real:
    Element + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The least positive number of full precision.
    const LEAST: Self;
    fn root(self) -> Self;
    fn magnitude(self) -> Self;
}

macro_rules! real {
    ($($ty:ty),*) => {$(
        impl Real for $ty {
            const LEAST: Self = <$ty>::MIN_POSITIVE;
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }
        }
    )*};
}
real!(f32, f64);

/// -1, 0, 1 or NaN.
#[inline(always)]
fn sign<T: Real>(x: T) -> T {
    let (zero, one) = (T::from_i64(0), T::from_i64(1));
    if x > zero {
        one
    } else if x < zero {
        -one
    } else {
        x
    }
}

/// The greater; NaN if either is.
#[inline(always)]
fn greater<T: Real>(a: T, b: T) -> T {
    if a > b || a.partial_cmp(&a).is_none() { a } else { b }
}

/// The number, or zero where it is below those of full precision: a state that fades where there is no gradient would stay there for
/// good, and some processors take a hundred cycles for each product with it.
#[inline(always)]
fn settled<T: Real>(x: T) -> T {
    if x.magnitude() < T::LEAST { T::default() } else { x }
}

/// A rule made ready for one type: numbers that are the same for all elements.
trait Formula<T>: Copy {
    const STATES: usize;
    /// Parameter and states after the step; states beyond the rule's own are zero and ignored.
    fn step(&self, p: T, g: T, states: [T; 3]) -> (T, [T; 3]);
}

simd! {
    fn each<S, T: Real, F: Formula<T>>(simd: S, f: F, p: &mut [T], g: &[T], states: [&mut [T]; 3]) {
        let zero = T::default();
        let [a, b, c] = states;
        let pairs = p.iter_mut().zip(g);
        match F::STATES {
            0 => pairs.for_each(|(p, &g)| *p = f.step(*p, g, [zero; 3]).0),
            1 => pairs.zip(a).for_each(|((p, &g), a)| {
                let (next, states) = f.step(*p, g, [*a, zero, zero]);
                (*p, *a) = (next, settled(states[0]));
            }),
            2 => pairs.zip(a).zip(b).for_each(|(((p, &g), a), b)| {
                let (next, states) = f.step(*p, g, [*a, *b, zero]);
                (*p, *a, *b) = (next, settled(states[0]), settled(states[1]));
            }),
            _ => pairs.zip(a).zip(b).zip(c).for_each(|((((p, &g), a), b), c)| {
                let (next, states) = f.step(*p, g, [*a, *b, *c]);
                (*p, *a, *b, *c) = (next, settled(states[0]), settled(states[1]), settled(states[2]));
            }),
        }
    }
}

/// What comes before every rule: direction and weight decay.
#[derive(Clone, Copy)]
struct Pull<T> {
    direction: T,
    decay: T,
    shrink: T,
}

impl<T: Real> Pull<T> {
    fn new(maximize: bool, decay: f64, shrink: f64) -> Pull<T> {
        let direction = if maximize { -1.0 } else { 1.0 };
        Pull { direction: T::from_f64(direction), decay: T::from_f64(decay), shrink: T::from_f64(1.0 - shrink) }
    }

    /// Weight decay added to the gradient, or decoupled.
    fn decaying(maximize: bool, weight_decay: f64, decoupled: bool, lr: f64) -> Pull<T> {
        if decoupled { Pull::new(maximize, 0.0, lr * weight_decay) } else { Pull::new(maximize, weight_decay, 0.0) }
    }

    #[inline(always)]
    fn of(&self, p: T, g: T) -> (T, T) {
        (p * self.shrink, g * self.direction + p * self.decay)
    }
}

/// The decayed mean of `g`.
#[inline(always)]
fn mean<T: Real>(m: T, g: T, share: T) -> T {
    m + (g - m) * share
}

macro_rules! formulas {
    ($($name:ident { $($field:ident),* }, $states:expr,
       |$this:ident, $p:ident, $g:ident, [$($state:pat_param),*]| $step:block)*) => {$(
        #[derive(Clone, Copy)]
        struct $name<T> {
            pull: Pull<T>,
            $($field: T,)*
        }
        impl<T: Real> Formula<T> for $name<T> {
            const STATES: usize = $states;
            #[inline(always)]
            fn step(&self, p: T, g: T, [$($state),*]: [T; 3]) -> (T, [T; 3]) {
                let ($this, ($p, $g)) = (self, self.pull.of(p, g));
                $step
            }
        }
    )*};
}

formulas! {
    Average { weight }, 0, |f, p, g, [a, b, c]| {
        (p + (g - p) * f.weight, [a, b, c])
    }
    Sgd { lr }, 0, |f, p, g, [a, b, c]| {
        (p - g * f.lr, [a, b, c])
    }
    Momentum { lr, stays, enters, look_ahead, of_buffer }, 1, |f, p, g, [buffer, b, c]| {
        let buffer = buffer * f.stays + g * f.enters;
        (p - (g * f.look_ahead + buffer * f.of_buffer) * f.lr, [buffer, b, c])
    }
    Adam { share, stays, enters, rate, root, eps }, 2, |f, p, g, [m, v, c]| {
        let (m, v) = (mean(m, g, f.share), v * f.stays + g * g * f.enters);
        (p - m * f.rate / (v.root() * f.root + f.eps), [m, v, c])
    }
    AmsGrad { share, stays, enters, rate, root, eps }, 3, |f, p, g, [m, v, most]| {
        let (m, v) = (mean(m, g, f.share), v * f.stays + g * g * f.enters);
        let most = greater(most, v);
        (p - m * f.rate / (most.root() * f.root + f.eps), [m, v, most])
    }
    Adamax { share, stays, rate, eps }, 2, |f, p, g, [m, norm, c]| {
        let (m, norm) = (mean(m, g, f.share), greater(norm * f.stays, g.magnitude() + f.eps));
        (p - m * f.rate / norm, [m, norm, c])
    }
    NAdam { share, stays, enters, of_gradient, of_mean, root, eps }, 2, |f, p, g, [m, v, c]| {
        let (m, v) = (mean(m, g, f.share), v * f.stays + g * g * f.enters);
        (p - (g * f.of_gradient + m * f.of_mean) / (v.root() * f.root + f.eps), [m, v, c])
    }
    // Where the variance is not tractable yet, `root` is zero and `eps` one: a step of momentum.
    RAdam { share, stays, enters, rate, root, eps }, 2, |f, p, g, [m, v, c]| {
        let (m, v) = (mean(m, g, f.share), v * f.stays + g * g * f.enters);
        (p - m * f.rate / (v.root() * f.root + f.eps), [m, v, c])
    }
    Adagrad { rate, eps }, 1, |f, p, g, [sum, b, c]| {
        let sum = sum + g * g;
        (p - g * f.rate / (sum.root() + f.eps), [sum, b, c])
    }
    Adadelta { lr, stays, enters, eps }, 2, |f, p, g, [square, steps, c]| {
        let square = square * f.stays + g * g * f.enters;
        let step = g * (steps + f.eps).root() / (square + f.eps).root();
        (p - step * f.lr, [square, steps * f.stays + step * step * f.enters, c])
    }
    RmsProp { lr, stays, enters, eps }, 1, |f, p, g, [v, b, c]| {
        let v = v * f.stays + g * g * f.enters;
        (p - g * f.lr / (v.root() + f.eps), [v, b, c])
    }
    RmsPropMomentum { lr, stays, enters, eps, momentum }, 2, |f, p, g, [v, buffer, c]| {
        let v = v * f.stays + g * g * f.enters;
        let buffer = buffer * f.momentum + g / (v.root() + f.eps);
        (p - buffer * f.lr, [v, buffer, c])
    }
    RmsPropCentered { lr, stays, enters, eps }, 2, |f, p, g, [v, m, c]| {
        let (v, m) = (v * f.stays + g * g * f.enters, mean(m, g, f.enters));
        (p - g * f.lr / ((v - m * m).root() + f.eps), [v, m, c])
    }
    RmsPropCenteredMomentum { lr, stays, enters, eps, momentum }, 3, |f, p, g, [v, m, buffer]| {
        let (v, m) = (v * f.stays + g * g * f.enters, mean(m, g, f.enters));
        let buffer = buffer * f.momentum + g / ((v - m * m).root() + f.eps);
        (p - buffer * f.lr, [v, m, buffer])
    }
    Rprop { shrinks, grows, least, most }, 2, |f, p, g, [last, size, c]| {
        let (zero, product) = (T::default(), g * last);
        let factor = if product > zero { f.grows } else if product < zero { f.shrinks } else { T::from_i64(1) };
        let size = size * factor;
        let size = if size < f.least { f.least } else if size > f.most { f.most } else { size };
        let g = if product < zero { zero } else { g };
        (p - sign(g) * size, [g, size, c])
    }
    Lion { lr, share, share_after }, 1, |f, p, g, [m, b, c]| {
        (p - sign(mean(m, g, f.share)) * f.lr, [mean(m, g, f.share_after), b, c])
    }
    Asgd { eta, mu }, 1, |f, p, g, [average, b, c]| {
        let p = p - g * f.eta;
        (p, [average + (p - average) * f.mu, b, c])
    }
}

/// `1 - beta^t`, which undoes a mean's start from zero.
fn correction(beta: f64, t: u64) -> f64 {
    1.0 - beta.powf(t as f64)
}

/// Moves one piece by any rule but LAMB.
pub(super) fn step<T: Real>(rule: Rule, p: &mut [T], g: &[T], states: [&mut [T]; 3]) {
    let n = T::from_f64;
    match rule {
        Rule::Average { weight } => {
            each::<T, _>(Average { pull: Pull::new(false, 0.0, 0.0), weight: n(weight) }, p, g, states);
        }
        Rule::Sgd { lr, momentum, dampening, nesterov, weight_decay, maximize, t } => {
            let pull = Pull::new(maximize, weight_decay, 0.0);
            if momentum == 0.0 {
                return each::<T, _>(Sgd { pull, lr: n(lr) }, p, g, states);
            }
            let (stays, enters) = if t <= 1 { (0.0, 1.0) } else { (momentum, 1.0 - dampening) };
            let (look_ahead, of_buffer) = if nesterov { (1.0, momentum) } else { (0.0, 1.0) };
            let f = Momentum {
                pull,
                lr: n(lr),
                stays: n(stays),
                enters: n(enters),
                look_ahead: n(look_ahead),
                of_buffer: n(of_buffer),
            };
            each::<T, _>(f, p, g, states);
        }
        Rule::Adam { lr, betas: [b1, b2], eps, weight_decay, decoupled, amsgrad, maximize, t } => {
            let pull = Pull::decaying(maximize, weight_decay, decoupled, lr);
            let (share, stays, enters) = (n(1.0 - b1), n(b2), n(1.0 - b2));
            let (rate, root, eps) = (n(lr / correction(b1, t)), n(1.0 / correction(b2, t).sqrt()), n(eps));
            if amsgrad {
                each::<T, _>(AmsGrad { pull, share, stays, enters, rate, root, eps }, p, g, states);
            } else {
                each::<T, _>(Adam { pull, share, stays, enters, rate, root, eps }, p, g, states);
            }
        }
        Rule::Adamax { lr, betas: [b1, b2], eps, weight_decay, maximize, t } => {
            let pull = Pull::new(maximize, weight_decay, 0.0);
            let f = Adamax { pull, share: n(1.0 - b1), stays: n(b2), rate: n(lr / correction(b1, t)), eps: n(eps) };
            each::<T, _>(f, p, g, states);
        }
        Rule::NAdam { lr, betas: [b1, b2], eps, weight_decay, decoupled, mu: [now, next], mu_product, maximize, t } => {
            let f = NAdam {
                pull: Pull::decaying(maximize, weight_decay, decoupled, lr),
                share: n(1.0 - b1),
                stays: n(b2),
                enters: n(1.0 - b2),
                of_gradient: n(lr * (1.0 - now) / (1.0 - mu_product)),
                of_mean: n(lr * next / (1.0 - mu_product * next)),
                root: n(1.0 / correction(b2, t).sqrt()),
                eps: n(eps),
            };
            each::<T, _>(f, p, g, states);
        }
        Rule::RAdam { lr, betas: [b1, b2], eps, weight_decay, decoupled, maximize, t } => {
            let (rate, unbias) = (lr / correction(b1, t), correction(b2, t));
            let longest = 2.0 / (1.0 - b2) - 1.0;
            let length = longest - 2.0 * t as f64 * b2.powf(t as f64) / unbias;
            let (rate, root, eps) = if length > 5.0 {
                let rectify = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length);
                (rate * (rectify * unbias).sqrt(), 1.0, eps)
            } else {
                (rate, 0.0, 1.0)
            };
            let f = RAdam {
                pull: Pull::decaying(maximize, weight_decay, decoupled, lr),
                share: n(1.0 - b1),
                stays: n(b2),
                enters: n(1.0 - b2),
                rate: n(rate),
                root: n(root),
                eps: n(eps),
            };
            each::<T, _>(f, p, g, states);
        }
        Rule::Adagrad { lr, lr_decay, eps, weight_decay, maximize, t } => {
            let rate = lr / (1.0 + t.saturating_sub(1) as f64 * lr_decay);
            let pull = Pull::new(maximize, weight_decay, 0.0);
            each::<T, _>(Adagrad { pull, rate: n(rate), eps: n(eps) }, p, g, states);
        }
        Rule::Adadelta { lr, rho, eps, weight_decay, maximize } => {
            let pull = Pull::new(maximize, weight_decay, 0.0);
            let f = Adadelta { pull, lr: n(lr), stays: n(rho), enters: n(1.0 - rho), eps: n(eps) };
            each::<T, _>(f, p, g, states);
        }
        Rule::RmsProp { lr, alpha, eps, weight_decay, momentum, centered, maximize } => {
            let pull = Pull::new(maximize, weight_decay, 0.0);
            let (lr, stays, enters, eps) = (n(lr), n(alpha), n(1.0 - alpha), n(eps));
            match (centered, momentum != 0.0) {
                (false, false) => each::<T, _>(RmsProp { pull, lr, stays, enters, eps }, p, g, states),
                (true, false) => each::<T, _>(RmsPropCentered { pull, lr, stays, enters, eps }, p, g, states),
                (false, true) => {
                    let f = RmsPropMomentum { pull, lr, stays, enters, eps, momentum: n(momentum) };
                    each::<T, _>(f, p, g, states);
                }
                (true, true) => {
                    let f = RmsPropCenteredMomentum { pull, lr, stays, enters, eps, momentum: n(momentum) };
                    each::<T, _>(f, p, g, states);
                }
            }
        }
        Rule::Rprop { etas: [shrinks, grows], step_sizes: [least, most], maximize } => {
            let pull = Pull::new(maximize, 0.0, 0.0);
            let f = Rprop { pull, shrinks: n(shrinks), grows: n(grows), least: n(least), most: n(most) };
            each::<T, _>(f, p, g, states);
        }
        Rule::Lion { lr, betas: [b1, b2], weight_decay, maximize } => {
            let pull = Pull::new(maximize, 0.0, lr * weight_decay);
            each::<T, _>(Lion { pull, lr: n(lr), share: n(1.0 - b1), share_after: n(1.0 - b2) }, p, g, states);
        }
        Rule::Asgd { eta, lambd, mu, weight_decay, maximize } => {
            let pull = Pull::new(maximize, weight_decay, lambd * eta);
            each::<T, _>(Asgd { pull, eta: n(eta), mu: n(mu) }, p, g, states);
        }
        Rule::Lamb { .. } => unreachable!("LAMB needs two passes"),
    }
}

/// LAMB's numbers.
#[derive(Clone, Copy)]
struct Lamb<T> {
    direction: T,
    share: T,
    stays: T,
    enters: T,
    unbias: [T; 2],
    eps: T,
    decay: T,
}

impl<T: Real> Lamb<T> {
    /// The numbers and the learning rate.
    fn new(rule: Rule) -> (Lamb<T>, f64) {
        let Rule::Lamb { lr, betas: [b1, b2], eps, weight_decay, maximize, t } = rule else {
            unreachable!("only LAMB comes here")
        };
        let n = T::from_f64;
        let lamb = Lamb {
            direction: n(if maximize { -1.0 } else { 1.0 }),
            share: n(1.0 - b1),
            stays: n(b2),
            enters: n(1.0 - b2),
            unbias: [n(1.0 / correction(b1, t)), n(1.0 / correction(b2, t))],
            eps: n(eps),
            decay: n(weight_decay),
        };
        (lamb, lr)
    }

    /// The step before it is scaled.
    #[inline(always)]
    fn step(&self, p: T, m: T, v: T) -> T {
        m * self.unbias[0] / ((v * self.unbias[1]).root() + self.eps) + p * self.decay
    }
}

/// LAMB's first pass over a piece: the means, and the squared norms of the parameter and of its unscaled step.
pub(super) fn lamb_moments<T: Real>(rule: Rule, p: &[T], g: &[T], states: &mut [&mut [T]; 3]) -> [f64; 2] {
    let [m, v, _] = states;
    lamb_first::<T>(Lamb::new(rule).0, p, g, m, v)
}

simd! {
    fn lamb_first<S, T: Real>(simd: S, f: Lamb<T>, p: &[T], g: &[T], m: &mut [T], v: &mut [T]) -> [f64; 2] {
        let mut squares = [[0.0; 2]; 8];
        for (i, (((p, g), m), v)) in p.iter().zip(g).zip(m).zip(v).enumerate() {
            let g = *g * f.direction;
            *m = mean(*m, g, f.share);
            *v = *v * f.stays + g * g * f.enters;
            let (p, u) = (Element::to_f64(*p), Element::to_f64(f.step(*p, *m, *v)));
            let lane = &mut squares[i % 8];
            *lane = [lane[0] + p * p, lane[1] + u * u];
        }
        squares.iter().fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]])
    }
}

/// LAMB's second pass over a piece, given the squared norms of the whole parameter and its step.
pub(super) fn lamb_apply<T: Real>(rule: Rule, squares: [f64; 2], p: &mut [T], [m, v]: [&mut [T]; 2]) {
    let (f, lr) = Lamb::new(rule);
    let trust = if squares.contains(&0.0) { 1.0 } else { (squares[0] / squares[1]).sqrt() };
    lamb_second::<T>(f, T::from_f64(lr * trust), p, m, v);
}

simd! {
    fn lamb_second<S, T: Real>(simd: S, f: Lamb<T>, rate: T, p: &mut [T], m: &[T], v: &[T]) {
        for ((p, &m), &v) in p.iter_mut().zip(m).zip(v) {
            *p = *p - f.step(*p, m, v) * rate;
        }
    }
}
