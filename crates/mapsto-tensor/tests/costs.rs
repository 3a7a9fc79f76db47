//! What operations say of their multiply-adds and of what their outputs read, against what they do.

use mapsto_tensor::ops::{
    Attention, AttentionOptions, ConvOptions, FftNorm, Interpolation, Outside, PadMode, Sampling, Window,
};
use mapsto_tensor::{DType, Op, Record, Result, Rng, Shape, Span, Spec, Tensor, linalg};

fn random(sizes: &[usize]) -> Tensor {
    Tensor::rand(sizes, DType::F64, &mut Rng::new(7)).unwrap().add(0.5).unwrap()
}

/// The only operation of `f` that slides, and its record.
fn span(x: &Tensor, f: &dyn Fn(&Tensor) -> Result<Tensor>) -> Span {
    let record = Record::trace(&[x], |x| Ok(vec![f(&x[0])?])).unwrap();
    let of = |step: &mapsto_tensor::Step| {
        let specs: Vec<_> = step.inputs.iter().map(|&value| record.specs()[value]).collect();
        step.op.spans(&specs).last().copied()
    };
    let all: Vec<Span> = record.steps().iter().filter_map(of).collect();
    assert_eq!(all.len(), 1, "{record}");
    all[0]
}

/// Which places of the last axis each output reads: those where it has a gradient.
fn read(x: &Tensor, f: &dyn Fn(&Tensor) -> Result<Tensor>) -> Vec<Vec<usize>> {
    let x = x.variable().unwrap();
    let count = f(&x).unwrap().numel();
    let of = |i: usize| {
        let y = f(&x).unwrap().reshape([count]).unwrap().narrow(0, i, 1).unwrap();
        let gradient = y.sum().unwrap().backward().unwrap().take(&x).unwrap().to_vec::<f64>().unwrap();
        (0..gradient.len()).filter(|&place| gradient[place] != 0.0).collect()
    };
    (0..count).map(of).collect()
}

#[test]
fn spans_are_what_gradients_reach() {
    type Case = (&'static str, Box<dyn Fn(&Tensor) -> Result<Tensor>>);
    let mut cases: Vec<Case> = Vec::new();
    for (kernel, stride, dilation) in
        [(1, 1, 1), (3, 1, 1), (3, 2, 1), (4, 2, 3), (2, 3, 1), (3, 2, 2), (5, 3, 2), (4, 4, 6)]
    {
        let options = ConvOptions::new().stride(stride).dilation(dilation);
        let weight = random(&[1, 1, kernel]);
        cases.push((
            "conv",
            Box::new({
                let (options, weight) = (options.clone(), weight.clone());
                move |x| x.conv1d(&weight, None, &options)
            }),
        ));
        cases.push(("conv_transpose", Box::new(move |x| x.conv_transpose1d(&weight, None, &options))));
        let window = Window::new([kernel]).stride([stride]).dilation([dilation]);
        cases.push(("avg_pool", Box::new(move |x| x.avg_pool(&window, true, None))));
    }
    for outputs in [1, 8, 24, 36] {
        cases.push(("adaptive", Box::new(move |x| x.adaptive_avg_pool(&[outputs]))));
        let modes = [
            Interpolation::NearestExact,
            Interpolation::Linear { align_corners: false, antialias: false },
            Interpolation::Linear { align_corners: false, antialias: true },
            Interpolation::Cubic { align_corners: false, antialias: false },
        ];
        for mode in modes {
            cases.push(("resize", Box::new(move |x| x.resize(&[outputs], mode))));
        }
    }
    cases.push(("pad", Box::new(|x| x.pad(&[(2, 1)], PadMode::Reflect))));
    cases.push(("slice", Box::new(|x| x.narrow(2, 3, 9))));
    for (name, f) in &cases {
        let x = random(&[1, 1, 24]);
        let reads = read(&x, f);
        if *name == "adaptive" && 24 % reads.len() != 0 {
            continue;
        }
        let span = span(&x, f);
        let case = format!("{name} to {}: {span:?}", reads.len());
        let most = reads.iter().map(Vec::len).max().unwrap();
        assert_eq!(most, span.size, "{case}");
        // Away from the edges: outputs that see all that they can, in whole steps of the input.
        let centre = |places: &Vec<usize>| places.iter().sum::<usize>() as f64 / places.len() as f64;
        let is_inside = |(_, places): &(usize, &Vec<usize>)| places.first() > Some(&5) && places.last() < Some(&18);
        let inner: Vec<(usize, &Vec<usize>)> = reads.iter().enumerate().filter(is_inside).collect();
        for (_, places) in inner.iter().filter(|_| *name != "resize") {
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] == span.dilation), "{case}: {places:?}");
        }
        if let [(i, first), .., (j, last)] = inner[..] {
            // Outputs of one kernel differ by less than a gap in what they see of it.
            let (moved, outputs) = (centre(last) - centre(first), (j - i) as f64);
            assert!(
                (moved / outputs - span.stride).abs() <= span.dilation as f64 / outputs,
                "{case}: moves {moved} in {outputs}"
            );
        }
    }
}

#[test]
fn multiply_adds_by_formula() {
    let count = |inputs: &[&Tensor], f: &dyn Fn(&[Tensor]) -> Result<Tensor>| {
        Record::trace(inputs, |x| Ok(vec![f(x)?])).unwrap().multiply_adds() as usize
    };
    let x = random(&[2, 4, 9, 10]);
    let options = ConvOptions::new().stride([2, 1]).groups(2);
    let weight = random(&[6, 2, 3, 2]);
    assert_eq!(count(&[&x, &weight], &|x| x[0].conv2d(&x[1], None, &options)), 2 * 6 * 4 * 9 * (2 * 3 * 2));
    let weight = random(&[4, 3, 3, 2]);
    assert_eq!(count(&[&x, &weight], &|x| x[0].conv_transpose2d(&x[1], None, &options)), 2 * 4 * 90 * (3 * 3 * 2));
    assert_eq!(count(&[&x, &random(&[3, 10])], &|x| x[0].linear(&x[1], None)), 2 * 4 * 9 * 10 * 3);
    assert_eq!(count(&[&x, &random(&[10, 7])], &|x| x[0].matmul(&x[1])), 2 * 4 * 9 * 10 * 7);
    assert_eq!(count(&[&random(&[3, 4]), &random(&[5, 4])], &|x| Tensor::einsum("ik,jk->ij", &[&x[0], &x[1]])), 60);
    let [q, k, v] = [[2, 5, 4], [2, 7, 4], [2, 7, 3]].map(|sizes| random(&sizes));
    let attend = |options: AttentionOptions| count(&[&q, &k, &v], &|x| x[0].attention(&x[1], &x[2], &options));
    assert_eq!(attend(AttentionOptions::default()), 2 * 35 * 7);
    assert_eq!(attend(AttentionOptions { causal: true, ..AttentionOptions::default() }), 2 * 15 * 7);
    assert_eq!(count(&[&x], &|x| x[0].relu()?.add(1)?.sum()), 0);
    assert_eq!(count(&[&x], &|x| x[0].max_pool(&Window::new([2, 2]))), 0);
    assert_eq!(count(&[&x], &|x| x[0].resize(&[18, 20], Interpolation::Nearest)), 0);
    // Two along each axis, but for the two at the edges, which are the outermost elements themselves.
    let linear = Interpolation::Linear { align_corners: false, antialias: false };
    assert_eq!(count(&[&x], &|x| x[0].resize(&[18, 20], linear)), 2 * 4 * (2 * 18 - 2) * (2 * 20 - 2));
    let grid = random(&[2, 5, 6, 2]);
    let sample = |x: &[Tensor]| x[0].grid_sample(&x[1], Sampling::Linear, Outside::Zeros, false);
    assert_eq!(count(&[&x, &grid], &sample), 2 * 4 * 30 * 4);
    assert_eq!(count(&[&random(&[3, 6, 6]), &random(&[3, 6, 2])], &|x| linalg::solve(&x[0], &x[1])), 3 * (72 + 72));
    let transform = |x: &[Tensor]| x[0].rfft(None, -1, FftNorm::Backward);
    assert_eq!(count(&[&random(&[3, 16])], &transform), 3 * 16 * 4);
}

/// The sums are in closed form: what is expanded to more elements than memory holds is counted, too.
#[test]
fn attention_counts_what_queries_see() {
    let op = |causal: bool| Attention { mask: false, causal, scale: None, dropout: 0.0, seed: 0 };
    let count = |causal: bool, lead: usize, queries: usize, keys: usize| {
        let spec = |sizes: &[usize]| Spec::new(Shape::new(sizes).unwrap(), DType::F32);
        let (q, k, v) = (spec(&[lead, queries, 3]), spec(&[lead, keys, 3]), spec(&[lead, keys, 2]));
        op(causal).multiply_adds(&[q, k, v], &[spec(&[lead, queries, 2])])
    };
    for (queries, keys) in [(5, 5), (7, 3), (2, 9), (0, 4), (1, 1)] {
        let seen: usize = (0..queries).map(|i| keys.min(i + 1)).sum();
        assert_eq!(count(true, 2, queries, keys), (2 * seen * 5) as u64, "{queries} {keys}");
        assert_eq!(count(false, 2, queries, keys), (2 * queries * keys * 5) as u64, "{queries} {keys}");
    }
    assert_eq!(count(true, 1, 1 << 40, 10), (((1u64 << 40) - 10) * 10 + 55) * 5);
    assert_eq!(count(true, 1 << 10, 1 << 40, 1 << 40), u64::MAX);
}
