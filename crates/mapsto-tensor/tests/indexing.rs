//! The index of a tensor against NumPy's rules, and what the golden fixtures do not reach.

#![allow(clippy::reversed_empty_ranges)] // as in NumPy, they count from the end or run backwards

use mapsto_tensor::ops::{Embedding, Norm};
use mapsto_tensor::testing::{Gen, scattered};
use mapsto_tensor::{DType, Ellipsis, GradOptions, NewAxis, Stride, Tensor, apply_one, grad, set_num_threads};

/// 0, 1, 2, ... in a shape.
fn count(sizes: &[usize]) -> Tensor {
    let numel: usize = sizes.iter().product();
    Tensor::from_vec((0..numel as i64).collect(), sizes).unwrap()
}

fn assert_is(found: mapsto_tensor::Result<Tensor>, sizes: &[usize], values: &[i64]) {
    let found = found.unwrap();
    assert_eq!((&found.shape()[..], &found.to_vec::<i64>().unwrap()[..]), (sizes, values));
}

fn list(values: &[i64]) -> Tensor {
    Tensor::from_slice(values, [values.len()]).unwrap()
}

#[test]
fn ranges_clamp_and_step_as_in_numpy() {
    let x = count(&[6]);
    assert_is(x.index(..), &[6], &[0, 1, 2, 3, 4, 5]);
    assert_is(x.index(2..4), &[2], &[2, 3]);
    assert_is(x.index(-2..), &[2], &[4, 5]);
    assert_is(x.index(..-4), &[2], &[0, 1]);
    assert_is(x.index(4..=-1), &[2], &[4, 5]);
    assert_is(x.index(..=1), &[2], &[0, 1]);
    assert_is(x.index(3..99), &[3], &[3, 4, 5]);
    assert_is(x.index(-99..2), &[2], &[0, 1]);
    assert_is(x.index(4..2), &[0], &[]);
    assert_is(x.index(Stride::by(.., 4)), &[2], &[0, 4]);
    assert_is(x.index(Stride::by(.., -1)), &[6], &[5, 4, 3, 2, 1, 0]);
    assert_is(x.index(Stride::by(4..1, -2)), &[2], &[4, 2]);
    assert_is(x.index(Stride::by(99.., -3)), &[2], &[5, 2]);
    assert_is(x.index(Stride::by(1.., isize::MAX)), &[1], &[1]);
    assert_is(x.index(Stride::by(..isize::MIN, isize::MIN)), &[1], &[5]);
    assert_is(count(&[0]).index(Stride::by(.., -1)), &[0], &[]);
}

#[test]
fn terms_mix_as_in_numpy() {
    let x = count(&[2, 3, 4]);
    assert_is(x.index((1, -1)), &[4], &[20, 21, 22, 23]);
    assert_is(x.index((1, -1, 0)), &[], &[20]);
    assert_is(x.index((Ellipsis, 1)), &[2, 3], &[1, 5, 9, 13, 17, 21]);
    assert_is(x.index((0, NewAxis, 1.., Ellipsis, NewAxis, 2)), &[1, 2, 1], &[6, 10]);
    assert_is(x.index(NewAxis), &[1, 2, 3, 4], &(0..24).collect::<Vec<_>>());
    // One index tensor keeps its place; its axes replace the one.
    let ids = Tensor::new([[2i64, 0], [-1, 1]]).unwrap();
    assert_is(x.index((1, &ids, 3)), &[2, 2], &[23, 15, 23, 19]);
    assert_is(x.index((.., &ids, 3)), &[2, 2, 2], &[11, 3, 11, 7, 23, 15, 23, 19]);
    // Neighbours stay, others come first: x[:, [0, 1], [2, 3]] and x[[0, 1], :, [2, 3]].
    let (a, b) = (list(&[0, 1]), list(&[2, 3]));
    assert_is(x.index((.., &a, &b)), &[2, 2], &[2, 7, 14, 19]);
    assert_is(x.index((&a, .., &b)), &[2, 3], &[2, 6, 10, 15, 19, 23]);
    // An integer beside them is one of them: x[0, :, [2, 3]] has shape [2, 3].
    assert_is(x.index((0, .., &b)), &[2, 3], &[2, 6, 10, 3, 7, 11]);
    // They broadcast: x[[[0], [1]], 0, [2, 3]].
    assert_is(x.index((&a.unsqueeze(1).unwrap(), 0, &b)), &[2, 2], &[2, 3, 14, 15]);
    // A new axis between parts them.
    assert_is(x.index((.., &a, NewAxis, &b)), &[2, 2, 1], &[2, 14, 7, 19]);
    // Masks of one and of several axes, beside a range.
    let mask = Tensor::new([true, false, true]).unwrap();
    assert_is(x.index((1, &mask, ..2)), &[2, 2], &[12, 13, 20, 21]);
    let mask = x.index((.., .., 0)).unwrap().ge(8).unwrap();
    assert_is(x.index((&mask, 2..)), &[4, 2], &[10, 11, 14, 15, 18, 19, 22, 23]);
    assert_is(x.index((&a.to_dtype(DType::U8).unwrap(), 0, 0)), &[2], &[0, 12]);
    assert_is(x.index(&list(&[])), &[0, 3, 4], &[]);
}

#[test]
fn the_gradient_of_an_index_adds_up_where_places_repeat() {
    let x = Gen::new(1).tensor(&[3, 4], -1.0, 1.0).variable().unwrap();
    let y = x.index((&list(&[0, 0, 2]), 1..3)).unwrap();
    let g = y.sum().unwrap().backward().unwrap();
    let wanted = [0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0];
    assert_eq!(g.get(&x).unwrap().to_vec::<f64>().unwrap(), wanted);
}

#[test]
fn a_part_is_replaced_and_gradients_flow_to_both() {
    let x = Gen::new(2).tensor(&[2, 3], -1.0, 1.0).variable().unwrap();
    let value = Tensor::new([5.0f64, 6.0]).unwrap().variable().unwrap();
    let y = x.with_index((.., -1), &value).unwrap();
    assert_eq!(y.index((.., 2)).unwrap().to_vec::<f64>().unwrap(), [5.0, 6.0]);
    let g =
        y.mul(Tensor::new([[1.0f64, 2.0, 3.0], [4.0, 5.0, 6.0]]).unwrap()).unwrap().sum().unwrap().backward().unwrap();
    assert_eq!(g.get(&x).unwrap().to_vec::<f64>().unwrap(), [1.0, 2.0, 0.0, 4.0, 5.0, 0.0]);
    assert_eq!(g.get(&value).unwrap().to_vec::<f64>().unwrap(), [3.0, 6.0]);
    assert_is(count(&[2, 2]).with_index((Ellipsis, 0), -1), &[2, 2], &[-1, 1, -1, 3]);
    assert_is(count(&[4]).with_index(Stride::by(.., -2), list(&[7, 8])), &[4], &[0, 8, 2, 7]);
}

#[test]
fn wrong_indices_say_what_is_wrong() {
    let x = count(&[2, 3]);
    let text = |e: mapsto_tensor::Result<Tensor>| e.unwrap_err().to_string();
    let starts = |e, start: &str| {
        let text = text(e);
        assert!(text.starts_with(start), "{text}");
    };
    starts(x.index(2), "index: index 2 is outside axis 0 of [2, 3], whose size is 2 at ");
    starts(x.index((0, 0, 0)), "index: the index names 3 axes, but [2, 3] has 2 at ");
    starts(x.index((Ellipsis, Ellipsis)), "index: an index has one ellipsis at most, not 2 at ");
    starts(x.index(Stride::by(.., 0)), "index: a step of zero leads nowhere at ");
    starts(x.index(&x.gt(0).unwrap().t().unwrap()), "index: a mask of shape [3, 2] does not cover the axes [2, 3] at ");
    starts(x.index((.., &list(&[0, 3]))), "index: index 3 at position [1] is outside axis 1 of size 3 at ");
    starts(x.index(&Tensor::new([0.5f32]).unwrap()), "index: indices must be i64, not f32 at ");
    let wrong = x.gather(1, &Tensor::new([[0i64, 1], [0, -4]]).unwrap());
    starts(wrong, "gather: index -4 at position [1, 1] is outside axis 1 of size 3 at ");
    assert!(text(x.gather(1, &Tensor::new([[3i64]]).unwrap())).ends_with("; indices are -3..=2"));
    assert!(text(x.index(2)).contains("indexing.rs"));
    starts(x.embedding(&list(&[5]), None), "embedding: index 5 at position [0] is outside axis 0 of size 2 at ");
    starts(x.topk(4, 1, true).map(|(values, _)| values), "topk: k = 4 is more than axis 1 of [2, 3] has at ");
    starts(list(&[1, -1]).bincount(0), "bincount: -1 is negative: only 0, 1, ... are counted at ");
}

#[test]
fn of_writers_to_one_place_the_last_stands_and_has_the_gradient() {
    let x = Tensor::zeros([3], DType::F32).unwrap().variable().unwrap();
    let source = Tensor::new([1.0f32, 2.0, 3.0, 4.0]).unwrap().variable().unwrap();
    let y = x.scatter(0, &list(&[1, 0, 1, -2]), &source).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap(), [2.0, 4.0, 0.0]);
    let g = y.sum().unwrap().backward().unwrap();
    assert_eq!(g.get(&source).unwrap().to_vec::<f32>().unwrap(), [0.0, 1.0, 0.0, 1.0]);
    assert_eq!(g.get(&x).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.0, 1.0]);
}

#[test]
fn the_padding_row_has_no_gradient() {
    let rows = Gen::new(3).tensor(&[3, 2], -1.0, 1.0).variable().unwrap();
    let ids = Tensor::new([[0i64, 1], [2, -2]]).unwrap();
    let y = apply_one(Embedding { padding_index: Some(1) }, &[&rows, &ids]).unwrap();
    let options = GradOptions { create_graph: true, retain: true };
    let seed = Gen::new(4).tensor(&[2, 2, 2], -1.0, 1.0).variable().unwrap();
    let g = grad(&[&y], Some(&[&seed]), &[&rows], options).unwrap().remove(0).unwrap();
    let s = seed.to_vec::<f64>().unwrap();
    assert_eq!(g.to_vec::<f64>().unwrap(), [s[0], s[1], 0.0, 0.0, s[4], s[5]]);
    // Of the gradient, too, nothing flows to the padding's places.
    let second = grad(&[&g.sum().unwrap()], None, &[&seed], GradOptions::default()).unwrap().remove(0).unwrap();
    assert_eq!(second.to_vec::<f64>().unwrap(), [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn nan_is_greatest_and_last() {
    let x = Tensor::new([2.0f32, f32::NAN, -0.0, 0.0, f32::INFINITY, f32::NAN, -1.0]).unwrap();
    let places = |t: mapsto_tensor::Result<Tensor>| t.unwrap().to_vec::<i64>().unwrap();
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let x = x.to_dtype(dtype).unwrap();
        assert_eq!(places(x.argsort(0, false)), [6, 2, 3, 0, 4, 1, 5]);
        assert_eq!(places(x.argsort(0, true)), [1, 5, 4, 0, 2, 3, 6]);
        assert_eq!(places(x.argmax()), [1]);
        assert_eq!(places(x.argmin()), [1]);
        assert_eq!(places(x.unsqueeze(1).unwrap().broadcast_to([7, 3]).unwrap().argmax_axis(0, false)), [1, 1, 1]);
        assert_eq!(places(x.topk(2, 0, false).map(|(_, places)| places)), [6, 2]);
        assert!(x.median(0, false).unwrap().0.to_dtype(DType::F64).unwrap().item::<f64>().unwrap().is_nan());
        assert!(x.quantile(0.1, 0, false).unwrap().to_dtype(DType::F64).unwrap().item::<f64>().unwrap().is_nan());
        assert!(
            x.scatter_max(0, &list(&[0]), &x.narrow(0, 1, 1).unwrap())
                .unwrap()
                .to_dtype(DType::F64)
                .unwrap()
                .to_vec::<f64>()
                .unwrap()[0]
                .is_nan()
        );
        assert_eq!(places(x.nonzero().and_then(|t| t.squeeze(&[1]))), [0, 1, 4, 5, 6]);
        let (values, inverse, counts) = x.unique().unwrap();
        assert_eq!(values.numel(), 6);
        assert_eq!(inverse.to_vec::<i64>().unwrap(), [2, 4, 1, 1, 3, 5, 0]);
        assert_eq!(counts.to_vec::<i64>().unwrap(), [1, 2, 1, 1, 1, 1]);
    }
}

#[test]
fn counts_and_histograms() {
    let x = Tensor::new([0.0f32, 0.5, 0.99, 1.0, 2.0, 2.5, -1.0, f32::NAN]).unwrap();
    let (counts, edges) = x.histogram(2, 0.0, 2.0).unwrap();
    assert_eq!(counts.to_vec::<i64>().unwrap(), [3, 2]);
    assert_eq!(edges.to_vec::<f32>().unwrap(), [0.0, 1.0, 2.0]);
    assert!(x.histogram(0, 0.0, 1.0).is_err() && x.histogram(2, 1.0, 1.0).is_err());
    assert_is(count(&[2, 3]).count_nonzero(&[1], false), &[2], &[2, 3]);
    assert!(count(&[4]).any().unwrap().item::<bool>().unwrap());
    assert!(!count(&[4]).all().unwrap().item::<bool>().unwrap());
    assert!(!count(&[0]).any().unwrap().item::<bool>().unwrap());
    assert_is(count(&[4]).square().unwrap().diff(0), &[3], &[1, 3, 5]);
    assert_is(count(&[2, 2]).repeat_interleave(2, 1), &[2, 4], &[0, 0, 1, 1, 2, 2, 3, 3]);
    let (values, inverse, counts) = count(&[0]).unique().unwrap();
    assert_eq!((values.numel(), inverse.numel(), counts.numel()), (0, 0, 0));
}

#[test]
fn large_ones_agree_with_plain_code_for_any_number_of_threads() {
    let mut g = Gen::new(5);
    let x = g.tensor(&[300, 517], -1.0, 1.0).to_dtype(DType::F32).unwrap();
    let ids = g.integers(&[2000], 300);
    let source = g.tensor(&[2000, 517], -1.0, 1.0).to_dtype(DType::F32).unwrap();
    let runs: Vec<Vec<Tensor>> = [1, 4]
        .map(|threads| {
            set_num_threads(threads);
            vec![
                x.index_select(0, &ids).unwrap(),
                x.index_add(0, &ids, &source).unwrap(),
                scattered(&x).unwrap().index_select(0, &ids).unwrap(),
                x.sort(0, true).unwrap().0,
                x.var_axes(&[0], false, 1).unwrap(),
                x.var_axes(&[1], false, 1).unwrap(),
                source.reshape([2000 * 517]).unwrap().var(1).unwrap(),
                x.cumsum(0).unwrap(),
                x.argmax_axis(0, false).unwrap().to_dtype(DType::F32).unwrap(),
                x.nonzero().unwrap().to_dtype(DType::F32).unwrap(),
            ]
        })
        .into();
    for (a, b) in runs[0].iter().zip(&runs[1]) {
        assert_eq!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    }
    let (rows, names) = (x.to_vec::<f32>().unwrap(), ids.to_vec::<i64>().unwrap());
    let selected: Vec<f32> = names.iter().flat_map(|&i| rows[i as usize * 517..][..517].to_vec()).collect();
    assert_eq!(runs[0][0].to_vec::<f32>().unwrap(), selected);
    assert_eq!(runs[0][2].to_vec::<f32>().unwrap(), selected);
    let all = source.to_vec::<f32>().unwrap();
    let mut sums = rows.clone();
    for (i, &name) in names.iter().enumerate() {
        (0..517).for_each(|j| sums[name as usize * 517 + j] += all[i * 517 + j]);
    }
    assert_eq!(runs[0][1].to_vec::<f32>().unwrap(), sums);
    let mean = all.iter().map(|&x| x as f64).sum::<f64>() / all.len() as f64;
    let wanted = all.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / (all.len() - 1) as f64;
    assert!((runs[0][6].item::<f32>().unwrap() as f64 - wanted).abs() < 1e-6);
    let column: Vec<f64> = (0..300).map(|i| rows[i * 517 + 3] as f64).collect();
    let mean = column.iter().sum::<f64>() / 300.0;
    let wanted = column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 299.0;
    assert!((runs[0][4].to_vec::<f32>().unwrap()[3] as f64 - wanted).abs() < 1e-6);
}

#[test]
fn variance_far_from_zero_is_stable() {
    let x = Tensor::from_vec((0..1000).map(|i| 1e4f32 + (i % 2) as f32).collect(), [1000]).unwrap();
    assert_eq!(x.var(0).unwrap().item::<f32>().unwrap(), 0.25);
    let constant = Tensor::full([4], 3.0, DType::F64).unwrap().variable().unwrap();
    let g = constant.std(0).unwrap().backward().unwrap();
    assert_eq!(g.get(&constant).unwrap().to_vec::<f64>().unwrap(), [0.0; 4]);
    assert!(Tensor::new([1.0f32]).unwrap().var(1).unwrap().item::<f32>().unwrap().is_nan());
    let order = Norm { p: f64::NAN, axes: [0].into_iter().collect(), keep: false };
    assert!(apply_one(order, &[&x]).is_err());
}
