//! New values for what may be without one.

/// A new value, or none any more.
#[derive(Clone, Debug)]
pub(crate) enum Change<T> {
    Unset,
    To(T),
}

impl<T> Change<T> {
    /// The value.
    pub(crate) fn into_option(self) -> Option<T> {
        match self {
            Self::Unset => None,
            Self::To(value) => Some(value),
        }
    }
}

impl<T: Clone> Change<T> {
    /// Makes a change that was named.
    pub(crate) fn apply(change: Option<&Self>, current: &mut Option<T>) {
        if let Some(change) = change {
            *current = change.clone().into_option();
        }
    }
}

impl Change<String> {
    /// Reads a text; an empty one takes away what was there.
    #[expect(clippy::unnecessary_wraps, reason = "as a parser of arguments is")]
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        Ok(if text.is_empty() { Self::Unset } else { Self::To(text.to_owned()) })
    }
}
