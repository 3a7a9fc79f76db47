//! Names of architectures, listed once.

/// Gives a model its `NAMES` and `named`, from one list of names and what they mean.
macro_rules! named {
    ($model:ident: $($name:literal => $make:expr,)*) => {
        impl $model {
            /// The names that [`Self::named`] knows.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The architecture of this name with its usual settings, if it is one of [`Self::NAMES`].
            pub fn named(name: &str) -> Option<$model> {
                match name {
                    $($name => Some($make),)*
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use named;
