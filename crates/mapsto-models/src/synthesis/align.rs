//! Which frames of a sound are which token's.

/// The likeliest way through scores `[frames, tokens]` (row by row, of `stride` columns) that begins with the first token, ends with the last, and leaves none out:
/// how many frames each token has (Viterbi; Kim et al., *Glow-TTS*, 2020). Of frames there must be as many as tokens, at least.
pub(super) fn durations(scores: &[f32], stride: usize, frames: usize, tokens: usize) -> Vec<usize> {
    let mut best = vec![f32::NEG_INFINITY; tokens];
    // Whether a token's best way to a frame comes from the token before.
    let mut moved = vec![false; frames * tokens];
    for frame in 0..frames {
        let row = &scores[frame * stride..][..tokens];
        // What is read is of the frame before: from the last token down.
        for token in (0..tokens).rev() {
            let stays = best[token];
            let moves = match (frame, token) {
                (0, 0) => 0.0,
                (0, _) | (_, 0) => f32::NEG_INFINITY,
                _ => best[token - 1],
            };
            moved[frame * tokens + token] = moves > stays;
            best[token] = stays.max(moves) + row[token];
        }
    }
    let (mut counts, mut token) = (vec![0; tokens], tokens - 1);
    for frame in (0..frames).rev() {
        counts[token] += 1;
        // As many frames are left as tokens before this one: each must have one.
        if token > 0 && (moved[frame * tokens + token] || frame == token) {
            token -= 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The best of all ways, by trying each.
    fn by_trial(scores: &[f32], frames: usize, tokens: usize) -> (f32, Vec<usize>) {
        if tokens == 1 {
            return ((0..frames).map(|frame| scores[frame]).sum(), vec![frames]);
        }
        let mut best = (f32::NEG_INFINITY, Vec::new());
        // Ends of all tokens but the last, ascending.
        let mut ends = vec![0usize; tokens - 1];
        let total = (frames - 1).pow(tokens as u32 - 1);
        for code in 0..total {
            let mut rest = code;
            for end in &mut ends {
                *end = 1 + rest % (frames - 1);
                rest /= frames - 1;
            }
            if !ends.is_sorted_by(|a, b| a < b) {
                continue;
            }
            let bounds = [&[0], &ends[..], &[frames]].concat();
            let counts: Vec<usize> = bounds.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let of = |frame: usize| bounds.iter().rposition(|&bound| bound <= frame).unwrap();
            let sum: f32 = (0..frames).map(|frame| scores[frame * tokens + of(frame)]).sum();
            if sum > best.0 {
                best = (sum, counts);
            }
        }
        best
    }

    #[test]
    fn the_likeliest_way_is_found() {
        let mut rng = mapsto_tensor::Rng::new(3);
        for (frames, tokens) in [(1, 1), (5, 1), (3, 3), (6, 2), (6, 3), (7, 4)] {
            for _ in 0..20 {
                let scores: Vec<f32> = (0..frames * tokens).map(|_| rng.next_f32() * 4.0 - 3.0).collect();
                let (_, expected) = by_trial(&scores, frames, tokens);
                assert_eq!(durations(&scores, tokens, frames, tokens), expected, "{frames} {tokens} {scores:?}");
            }
        }
    }
}
