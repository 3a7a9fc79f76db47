//! What items of rare classes count in a loss.

/// Why classes have no weights.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BalanceError {
    /// A label names no class.
    #[error("item {item} has label {label}, but there are {classes} classes (from 0)")]
    Label {
        /// Place of the label.
        item: usize,
        /// The label.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A class without items would weigh infinitely much.
    #[error("class {0} has no items: leave it out, or add some")]
    NoItems(usize),
}

/// The weight of each class that makes all classes count the same: `items / (classes * items of the class)`, the mean over items
/// is 1 (King and Zeng 2001; scikit-learn's `balanced`).
///
/// # Errors
/// A label that is not below `classes`; a class without items.
pub fn class_weights(labels: &[usize], classes: usize) -> Result<Vec<f64>, BalanceError> {
    let mut counts = vec![0usize; classes];
    for (item, &label) in labels.iter().enumerate() {
        *counts.get_mut(label).ok_or(BalanceError::Label { item, label, classes })? += 1;
    }
    let weight = |(class, &count): (usize, &usize)| match count {
        0 => Err(BalanceError::NoItems(class)),
        _ => Ok(labels.len() as f64 / (classes as f64 * count as f64)),
    };
    counts.iter().enumerate().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_classes_weigh_more() {
        assert_eq!(class_weights(&[0, 1, 1, 1], 2), Ok(vec![2.0, 4.0 / 6.0]));
        assert_eq!(class_weights(&[0, 0], 1), Ok(vec![1.0]));
        assert_eq!(class_weights(&[], 0), Ok(vec![]));
    }

    #[test]
    fn classes_must_have_items() {
        let said = class_weights(&[0, 2], 3).unwrap_err().to_string();
        assert_eq!(said, "class 1 has no items: leave it out, or add some");
        let said = class_weights(&[0, 3], 3).unwrap_err().to_string();
        assert_eq!(said, "item 1 has label 3, but there are 3 classes (from 0)");
    }
}
