//! Curves drawn with characters.

/// Characters of the numbers left of a chart, and of the space between.
pub const CHART_EDGE: usize = 9;

/// Draws values at equal distances into so many rows and columns of characters, each series with a mark of its own, the later
/// ones over the others. On the left stand the greatest and the least value, and 0 where it lies between them; values
/// that are not finite are gaps.
///
/// ```
/// let lines = mapsto_nn::chart([3, 5], &[('●', &[4.0, 3.0, 2.0])]);
/// assert_eq!(lines, ["   4.000 ●", "          ●●", "   2.000    ●●"]);
/// ```
pub fn chart([rows, columns]: [usize; 2], series: &[(char, &[f64])]) -> Vec<String> {
    let all = series.iter().flat_map(|(_, values)| values.iter().copied()).filter(|value| value.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    if low > high || rows < 2 || columns < 2 {
        return Vec::new();
    }
    let row = |y: f64| ((high - y) / (high - low).max(f64::MIN_POSITIVE) * (rows - 1) as f64).round() as usize;
    let zero = (low <= 0.0 && high >= 0.0).then(|| row(0.0));
    let mut field = vec![vec![' '; columns]; rows];
    if let Some(zero) = zero {
        field[zero] = vec!['─'; columns];
    }
    for (mark, values) in series {
        let last = values.len().saturating_sub(1);
        for column in 0..columns {
            let i = (column * last + (columns - 1) / 2) / (columns - 1);
            if let Some(&y) = values.get(i).filter(|y| y.is_finite()) {
                field[row(y)][column] = *mark;
            }
        }
    }
    let edge = |i: usize| match i {
        0 => format!("{high:8.3}"),
        i if i == rows - 1 => format!("{low:8.3}"),
        i if Some(i) == zero => format!("{:8.3}", 0.0),
        _ => " ".repeat(CHART_EDGE - 1),
    };
    let line = |(i, line): (usize, &Vec<char>)| format!("{} {}", edge(i), line.iter().collect::<String>().trim_end());
    field.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_drawn_over_each_other() {
        let falling = [4.0, 3.0, 2.0, f64::NAN, 0.5];
        let lines = chart([4, 9], &[('·', &[2.0, 2.0]), ('●', &falling)]);
        assert_eq!(lines, ["   4.000 ●", "          ●●", "         ···●●····", "   0.500        ●●"]);
        let lines = chart([3, 3], &[('●', &[-1.0, 1.0])]);
        assert_eq!(lines, ["   1.000  ●●", "   0.000 ───", "  -1.000 ●"]);
        assert_eq!(chart([3, 3], &[('●', &[2.0])]), ["   2.000 ●●●", "         ", "   2.000 "]);
        assert!(chart([3, 3], &[('●', &[f64::NAN])]).is_empty() && chart([1, 9], &[('●', &[1.0])]).is_empty());
    }
}
