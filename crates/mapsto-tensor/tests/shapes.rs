//! Arranging, padding, einsum, linear algebra and spectrograms by their definitions, and what they refuse.

use mapsto_tensor::ops::{PadMode, Stft};
use mapsto_tensor::{DType, Result, Tensor, linalg};

#[test]
fn a_spectrogram_inverts() {
    let x = Tensor::from_vec::<f64>((0..1000).map(|i| (i as f64 * 0.37).sin() + i as f64 * 1e-3).collect(), [2, 500])
        .unwrap();
    let window = Tensor::hann_window(64, true, DType::F64).unwrap();
    let options = Stft::new(64, 16);
    let back = x.stft(Some(&window), &options).unwrap().istft(Some(&window), &options, Some(500)).unwrap();
    let error = back.sub(&x).unwrap().abs().unwrap().max().unwrap().item::<f64>().unwrap();
    assert!(error < 1e-12, "{error}");
}

/// `x` along all axes that letters name, by the definition: a loop over every letter.
fn einsum_by_loops(inputs: &[&str], output: &str, operands: &[(Vec<usize>, Vec<f64>)]) -> Vec<f64> {
    let mut letters: Vec<(char, usize)> = Vec::new();
    for (labels, (shape, _)) in inputs.iter().zip(operands) {
        for (letter, &size) in labels.chars().zip(shape) {
            match letters.iter_mut().find(|(l, _)| *l == letter) {
                Some((_, known)) => *known = (*known).max(size),
                None => letters.push((letter, size)),
            }
        }
    }
    let size = |letter: char| letters.iter().find(|(l, _)| *l == letter).unwrap().1;
    let count: usize = output.chars().map(size).product();
    let mut out = vec![0.0; count];
    for at in 0..letters.iter().map(|(_, size)| size).product() {
        let mut rest: usize = at;
        let index: Vec<(char, usize)> = letters
            .iter()
            .map(|&(letter, size)| {
                let i = rest % size;
                rest /= size;
                (letter, i)
            })
            .collect();
        let of = |letter: char| index.iter().find(|(l, _)| *l == letter).unwrap().1;
        let mut product = 1.0;
        for (labels, (shape, data)) in inputs.iter().zip(operands) {
            let step =
                |place: usize, (letter, &size): (char, &usize)| place * size + if size == 1 { 0 } else { of(letter) };
            product *= data[labels.chars().zip(shape).fold(0, step)];
        }
        out[output.chars().fold(0, |place, letter| place * size(letter) + of(letter))] += product;
    }
    out
}

#[test]
fn einsum_agrees_with_its_definition_on_random_equations() {
    let mut g = mapsto_tensor::testing::Gen::new(11);
    let sizes = [("a", 2), ("B", 3), ("c", 1), ("d", 4), ("e", 2)];
    for round in 0..300 {
        let mut equations: Vec<String> = Vec::new();
        let mut operands = Vec::new();
        for _ in 0..1 + g.below(4) {
            let mut labels = String::new();
            let mut shape = Vec::new();
            for _ in 0..g.below(4) {
                let (letter, size) = g.pick(&sizes);
                // A letter that repeats must keep its size; others may broadcast.
                let one = !labels.contains(letter) && g.below(6) == 0;
                let known = labels.find(letter).map(|at| shape[at]);
                shape.push(known.unwrap_or(if one { 1 } else { size }));
                labels.push_str(letter);
            }
            let integers = (0..shape.iter().product()).map(|_| g.below(7) as f64 - 3.0).collect::<Vec<f64>>();
            equations.push(labels);
            operands.push((shape, integers));
        }
        let mut output = String::new();
        for (letter, _) in sizes {
            if equations.iter().any(|labels| labels.contains(letter)) && g.bool() {
                output.insert_str(if g.bool() { 0 } else { output.len() }, letter);
            }
        }
        let equation = format!("{} -> {output}", equations.join(", "));
        let wants = einsum_by_loops(&equations.iter().map(String::as_str).collect::<Vec<_>>(), &output, &operands);
        for dtype in [DType::F64, DType::I64] {
            let tensors: Vec<Tensor> = operands
                .iter()
                .map(|(shape, data)| Tensor::from_slice(data, shape).unwrap().to_dtype(dtype).unwrap())
                .collect();
            let has = Tensor::einsum(&equation, &tensors.iter().collect::<Vec<_>>()).unwrap();
            assert_eq!(has.dtype(), dtype);
            assert_eq!(has.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap(), wants, "round {round}: {equation}");
        }
    }
}

fn message(result: Result<Tensor>) -> String {
    let text = result.unwrap_err().to_string();
    text.split(" at crates/").next().unwrap().to_string()
}

#[test]
fn einsum_refuses_malformed_equations() {
    let x = Tensor::zeros([2, 3], DType::F32).unwrap();
    let y = Tensor::zeros([4, 3], DType::F32).unwrap();
    let refused = |equation: &str, operands: &[&Tensor]| message(Tensor::einsum(equation, operands));
    assert_eq!(refused("ij", &[]), "einsum: 0 operands for the 1 in \"ij\"");
    assert_eq!(refused("ij,jk", &[&x]), "einsum: 1 operands for the 2 in \"ij,jk\"");
    assert_eq!(refused("i", &[&x]), "einsum: operand 0 of shape [2, 3] has 2 axes, \"i\" names 1, in \"i\"");
    assert_eq!(
        refused("ijk...", &[&x]),
        "einsum: operand 0 of shape [2, 3] has 2 axes, \"ijk...\" names 3, in \"ijk...\""
    );
    assert_eq!(refused("i1->i", &[&x]), "einsum: '1', which is no letter, in \"i1->i\"");
    assert_eq!(refused("i.j", &[&x]), "einsum: a point that is no ellipsis in \"i.j\" in \"i.j\"");
    assert_eq!(refused("...i...", &[&x]), "einsum: more than one ellipsis in \"...i...\" in \"...i...\"");
    assert_eq!(refused("ij->i->j", &[&x]), "einsum: an arrow that is broken or comes twice in \"ij->i->j\"");
    assert_eq!(refused("ij-i", &[&x]), "einsum: an arrow that is broken or comes twice in \"ij-i\"");
    assert_eq!(refused("ij->i,j", &[&x]), "einsum: a comma in the output in \"ij->i,j\"");
    assert_eq!(refused("ij->ii", &[&x]), "einsum: the output names 'i' twice in \"ij->ii\"");
    assert_eq!(refused("ij->k", &[&x]), "einsum: the output names 'k', which no operand has, in \"ij->k\"");
    assert_eq!(refused("ii", &[&x]), "einsum: operand 0 of shape [2, 3] has no diagonal of 'i' in \"ii\"");
    assert_eq!(refused("ij,ij", &[&x, &y]), "einsum: sizes 2 and 4 of 'i' differ: [2, 3] and [4, 3] in \"ij,ij\"");
    // Axes of the ellipsis that the output leaves out are summed, and an ellipsis may stand for none.
    let ones = Tensor::ones([2, 3], DType::F32).unwrap();
    assert_eq!(Tensor::einsum("...j->j", &[&ones]).unwrap().to_vec::<f32>().unwrap(), [2.0, 2.0, 2.0]);
    assert_eq!(Tensor::einsum("ij...->...ji", &[&ones]).unwrap().shape()[..], [3, 2]);
}

#[test]
fn arranging() {
    let x = Tensor::from_vec::<f32>((0..6).map(|i| i as f32).collect(), [2, 3]).unwrap();
    let values = |t: &Tensor| t.to_vec::<f32>().unwrap();
    let sizes = |list: Vec<Tensor>| list.iter().map(|t| t.shape().to_vec()).collect::<Vec<_>>();
    assert_eq!(sizes(x.split(2, 1).unwrap()), [[2, 2], [2, 1]]);
    assert_eq!(sizes(x.split([1, 0, 2], -1).unwrap()), [[2, 1], [2, 0], [2, 2]]);
    assert_eq!(sizes(x.chunk(2, 1).unwrap()), [[2, 2], [2, 1]]);
    assert_eq!(sizes(x.chunk(5, 0).unwrap()), [[1, 3], [1, 3]]);
    assert_eq!(
        x.split([1, 1], 1).unwrap_err().to_string().split(" at crates/").next().unwrap(),
        "split: parts [1, 1] add up to 2, the axis has 3"
    );
    assert!(x.split(0, 1).is_err() && x.chunk(0, 1).is_err() && x.split(1, 2).is_err());
    let repeated = x.repeat(&[2, 1, 2]).unwrap();
    assert_eq!(repeated.shape()[..], [2, 2, 6]);
    assert_eq!(values(&repeated)[..6], [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
    assert_eq!(x.repeat(&[0]).unwrap().shape()[..], [2, 0]);
    assert!(x.repeat(&[usize::MAX, 2]).is_err() && x.repeat(&[1; 9]).is_err());
    assert_eq!(x.unsqueeze(0).unwrap().expand(&[4, -1, -1]).unwrap().shape()[..], [4, 2, 3]);
    assert_eq!(message(x.expand(&[-1, 2, 3])), "expand: -1 in [-1, 2, 3] stands for a new axis");
    assert!(x.expand(&[3]).is_err() && x.expand(&[2, -2]).is_err());
    let y = Tensor::zeros([2, 3, 4, 5], DType::F32).unwrap();
    assert_eq!(y.move_axes(&[0], &[-1]).unwrap().shape()[..], [3, 4, 5, 2]);
    assert_eq!(y.move_axes(&[3, 0], &[0, 1]).unwrap().shape()[..], [5, 2, 3, 4]);
    assert_eq!(y.move_axes(&[], &[]).unwrap().shape()[..], [2, 3, 4, 5]);
    assert!(y.move_axes(&[0, 0], &[0, 1]).is_err() && y.move_axes(&[0], &[]).is_err());
    let grid =
        Tensor::meshgrid(&[&Tensor::new([1.0f32, 2.0]).unwrap(), &Tensor::new([3.0f32, 4.0, 5.0]).unwrap()]).unwrap();
    assert_eq!(values(&grid[0]), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    assert_eq!(values(&grid[1]), [3.0, 4.0, 5.0, 3.0, 4.0, 5.0]);
    let both = Tensor::broadcast_tensors(&[&x, &Tensor::zeros([4, 1, 1], DType::F32).unwrap()]).unwrap();
    assert_eq!(sizes(both), [[4, 2, 3], [4, 2, 3]]);
    assert!(Tensor::stack(&[], 0).is_err() && Tensor::stack(&[&x, &y], 0).is_err() && Tensor::stack(&[&x], 4).is_err());
    let turned = x.t().unwrap().contiguous().unwrap();
    assert!(turned.is_contiguous());
    assert_eq!(values(&turned), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(x.narrow(1, 0, 2).unwrap().trace().unwrap().item::<f32>().unwrap(), 4.0);
    assert_eq!(values(&Tensor::new([1.0f32]).unwrap().diagonal_embed(-1).unwrap()), [0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn pads_that_cannot_be_are_refused() {
    let x = Tensor::from_vec::<f32>((0..4).map(|i| i as f32).collect(), [1, 4]).unwrap();
    let pad = |pads: &[(isize, isize)], mode| x.pad(pads, mode).unwrap().to_vec::<f32>().unwrap();
    // Cropping comes first.
    assert_eq!(pad(&[(2, -1)], PadMode::Circular), [1.0, 2.0, 0.0, 1.0, 2.0]);
    assert_eq!(pad(&[(-1, 2)], PadMode::Reflect), [1.0, 2.0, 3.0, 2.0, 1.0]);
    assert!(pad(&[(-3, -1)], PadMode::ZEROS).is_empty());
    assert_eq!(
        message(x.pad(&[(4, 0)], PadMode::Reflect)),
        "pad: 4 places do not fit a reflect border of axis 1 of [1, 4]: at most 3"
    );
    assert_eq!(
        message(x.pad(&[(0, 5)], PadMode::Circular)),
        "pad: 5 places do not fit a circular border of axis 1 of [1, 4]: at most 4"
    );
    assert_eq!(message(x.pad(&[(-3, -2)], PadMode::ZEROS)), "pad: cropping 3 and 2 leaves nothing of axis 1 of [1, 4]");
    assert_eq!(message(x.pad(&[(0, 0); 3], PadMode::ZEROS)), "pad: 3 pairs of pads for shape [1, 4]");
}

#[test]
fn factorisations_multiply_back() {
    let mut g = mapsto_tensor::testing::Gen::new(3);
    let product = |a: &Tensor, b: &Tensor| a.matmul(b).unwrap();
    let far = |a: &Tensor, b: &Tensor| a.sub(b).unwrap().abs().unwrap().max().unwrap().item::<f64>().unwrap();
    let one = |n: usize| Tensor::ones([n], DType::F64).unwrap().diagonal_embed(0).unwrap();
    for (m, n) in [(1, 1), (2, 2), (7, 7), (5, 9), (9, 5), (40, 40), (64, 33), (100, 100)] {
        let mut matrices = vec![g.tensor(&[m, n], -1.0, 1.0), Tensor::zeros([m, n], DType::F64).unwrap()];
        // Of rank one, and with a wide range of singular values.
        matrices.push(product(&g.tensor(&[m, 1], -1.0, 1.0), &g.tensor(&[1, n], -1.0, 1.0)));
        matrices.push(product(&matrices[0], &g.tensor(&[n], -40.0, 0.0).exp().unwrap().diagonal_embed(0).unwrap()));
        matrices.push(matrices[0].mul(1e150).unwrap());
        for a in &matrices {
            let size = a.abs().unwrap().max().unwrap().item::<f64>().unwrap().max(1e-300);
            let (u, s, vt) = linalg::svd(a).unwrap();
            let back = product(&u.mul(s.unsqueeze(0).unwrap()).unwrap(), &vt);
            assert!(far(&back, a) <= 1e-12 * size, "svd of {m}x{n}");
            assert!(far(&product(&u.t().unwrap(), &u), &one(m.min(n))) < 1e-12, "u of {m}x{n}");
            assert!(far(&product(&vt, &vt.t().unwrap()), &one(m.min(n))) < 1e-12, "v of {m}x{n}");
            let values = s.to_vec::<f64>().unwrap();
            assert!(values.windows(2).all(|pair| pair[0] >= pair[1]) && values.iter().all(|&x| x >= 0.0));
            let (q, r) = linalg::qr(a).unwrap();
            assert!(far(&product(&q, &r), a) <= 1e-12 * size, "qr of {m}x{n}");
            assert!(far(&product(&q.t().unwrap(), &q), &one(m.min(n))) < 1e-12, "q of {m}x{n}");
            if m == n {
                let a = a.add(a.t().unwrap()).unwrap();
                let (values, vectors) = linalg::eigh(&a).unwrap();
                let back = product(&vectors.mul(values.unsqueeze(0).unwrap()).unwrap(), &vectors.t().unwrap());
                assert!(far(&back, &a) <= 1e-12 * size, "eigh of {n}");
                assert!(far(&product(&vectors.t().unwrap(), &vectors), &one(n)) < 1e-12, "vectors of {n}");
                assert!(values.to_vec::<f64>().unwrap().windows(2).all(|pair| pair[0] <= pair[1]));
            }
        }
    }
}

#[test]
fn linear_algebra_refuses_what_it_cannot_do() {
    let singular = Tensor::new([[1.0f32, 2.0], [2.0, 4.0]]).unwrap();
    let wide = Tensor::zeros([2, 3], DType::F32).unwrap();
    assert_eq!(message(linalg::inverse(&singular)), "inverse: matrix 0 is singular");
    assert_eq!(message(linalg::inverse(&wide)), "inverse: needs square matrices, not shape [2, 3]");
    assert_eq!(message(linalg::cholesky(&singular.neg().unwrap())), "cholesky: matrix 0 is not positive definite");
    assert_eq!(message(linalg::cholesky(&wide)), "cholesky: needs square matrices, not shape [2, 3]");
    assert!(linalg::eigh(&wide).is_err() && linalg::qr(&wide.sum().unwrap()).is_err());
    let nan = Tensor::full([2, 2], f64::NAN, DType::F64).unwrap();
    assert!(linalg::svd(&nan).is_err() && linalg::eigh(&nan).is_err());
    assert!(linalg::svd(&wide.to_dtype(DType::F16).unwrap()).is_err());
    let b = Tensor::new([1.0f32, 1.0]).unwrap();
    let a = Tensor::new([[2.0f32, 0.0], [0.0, 4.0]]).unwrap();
    assert_eq!(linalg::solve(&a, &b).unwrap().to_vec::<f32>().unwrap(), [0.5, 0.25]);
}

#[test]
fn windows() {
    let hann = Tensor::hann_window(4, true, DType::F64).unwrap().to_vec::<f64>().unwrap();
    assert!(hann.iter().zip([0.0, 0.5, 1.0, 0.5]).all(|(a, b)| (a - b).abs() < 1e-15));
    let symmetric = Tensor::hann_window(5, false, DType::F64).unwrap().to_vec::<f64>().unwrap();
    assert!(symmetric.iter().zip([0.0, 0.5, 1.0, 0.5, 0.0]).all(|(a, b)| (a - b).abs() < 1e-15));
    let hamming = Tensor::hamming_window(3, false, DType::F64).unwrap().to_vec::<f64>().unwrap();
    assert!(hamming.iter().zip([0.08, 1.0, 0.08]).all(|(a, b)| (a - b).abs() < 1e-15));
    let blackman = Tensor::blackman_window(3, false, DType::F64).unwrap().to_vec::<f64>().unwrap();
    assert!(blackman.iter().zip([0.0, 1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-15));
    assert_eq!(Tensor::blackman_window(1, true, DType::F32).unwrap().to_vec::<f32>().unwrap(), [1.0]);
    assert!(Tensor::hann_window(usize::MAX, true, DType::F32).is_err());
}
