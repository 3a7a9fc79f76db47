//! The one error type: what went wrong, in which operation, with which values, on which line of the caller, and the
//! likely mend.

use std::fmt;
use std::panic::Location;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of mistake an [`Error`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Category {
    /// Shapes that do not fit the operation or each other.
    Shape,
    /// An element type that the operation does not take.
    DType,
    /// An index or axis outside its range.
    Index,
    /// An argument outside its domain.
    Argument,
    /// A gradient that does not exist or was already freed.
    Gradient,
    /// Memory that the system would not give, or a size that does not fit an address.
    Memory,
    /// Data or a file that is not what it should be.
    Data,
    /// The operating system refused a read or a write.
    Io,
}

/// A failure that the caller can mend. Its text reads
/// `operation: what went wrong, with the values at file:line; the likely mend`; as `{:#}` without the place in the source,
/// for people who did not write it.
pub struct Error(Box<Inner>);

struct Inner {
    category: Category,
    op: Option<&'static str>,
    what: String,
    mend: Option<String>,
    at: Option<&'static Location<'static>>,
    within: Vec<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the given category; `what` names the values involved.
    pub fn new(category: Category, what: impl Into<String>) -> Error {
        let what = what.into();
        Error(Box::new(Inner { category, op: None, what, mend: None, at: None, within: Vec::new(), source: None }))
    }

    /// Shapes that do not fit.
    pub fn shape(what: impl Into<String>) -> Error {
        Error::new(Category::Shape, what)
    }

    /// An element type that is not taken.
    pub fn dtype(what: impl Into<String>) -> Error {
        Error::new(Category::DType, what)
    }

    /// An index or axis outside its range.
    pub fn index(what: impl Into<String>) -> Error {
        Error::new(Category::Index, what)
    }

    /// An argument outside its domain.
    pub fn argument(what: impl Into<String>) -> Error {
        Error::new(Category::Argument, what)
    }

    /// A gradient that does not exist.
    pub fn gradient(what: impl Into<String>) -> Error {
        Error::new(Category::Gradient, what)
    }

    /// Memory that cannot be had.
    pub fn memory(what: impl Into<String>) -> Error {
        Error::new(Category::Memory, what)
    }

    /// Data or a file that is not what it should be.
    pub fn data(what: impl Into<String>) -> Error {
        Error::new(Category::Data, what)
    }

    /// A read or write that the operating system refused; `what` names the path and the attempt.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Error {
        Error::new(Category::Io, format!("{}: {source}", what.into())).caused_by(source)
    }

    /// Adds the likely mend.
    pub fn mend(mut self, mend: impl Into<String>) -> Error {
        self.0.mend.get_or_insert_with(|| mend.into());
        self
    }

    /// Names the operation, unless it is named already.
    pub fn op(mut self, op: &'static str) -> Error {
        self.0.op.get_or_insert(op);
        self
    }

    /// Gives the caller's line, unless one is given already.
    pub fn at(mut self, location: &'static Location<'static>) -> Error {
        self.0.at.get_or_insert(location);
        self
    }

    /// Names this operation and its caller's line in place of those of an operation that it is made of.
    pub fn as_of(mut self, op: &'static str, location: &'static Location<'static>) -> Error {
        self.0.op = Some(op);
        self.0.at = Some(location);
        self
    }

    /// Adds where in a larger structure it happened (a layer's name, a file), innermost first.
    pub fn within(mut self, place: impl Into<String>) -> Error {
        self.0.within.push(place.into());
        self
    }

    /// Keeps the error that caused this one.
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        self.0.source = Some(Box::new(source));
        self
    }

    /// The kind of mistake.
    pub fn category(&self) -> Category {
        self.0.category
    }

    /// The operation that failed, where one is known.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.op
    }

    /// The line of the caller, where one is known.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.0.at
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(op) = inner.op {
            write!(f, "{op}: ")?;
        }
        f.write_str(&inner.what)?;
        if let (Some(at), false) = (inner.at, f.alternate()) {
            write!(f, " at {}:{}", at.file(), at.line())?;
        }
        if !inner.within.is_empty() {
            let path: Vec<_> = inner.within.iter().rev().map(String::as_str).collect();
            write!(f, " (in {})", path.join(" > "))?;
        }
        if let Some(mend) = &inner.mend {
            write!(f, "; {mend}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
