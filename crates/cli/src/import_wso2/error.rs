//! The reasons why a file cannot be imported. Each error begins with `line:column`, so that a caller who puts
//! the file name before it makes a place that editors can open, and ends with what to do.

use std::fmt;

/// A place in the file; both count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The file cannot be imported; nothing was made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// More of something than any real identity.xml has.
    TooLarge {
        /// The thing of which there is too much, with the limit.
        what: &'static str,
    },
    /// The XML is broken.
    Malformed {
        /// The position where the parser stopped.
        at: At,
        /// The problem that it met there.
        problem: String,
    },
    /// A document type declaration, which could define entities.
    HasDoctype {
        /// Its position.
        at: At,
    },
    /// There is no `<OAuth>` section.
    NoOAuth {
        /// The position of the root element.
        at: At,
        /// The name of the root element.
        root: String,
    },
    /// An element that may be there once is there twice.
    Repeated {
        /// Its path.
        element: String,
        /// The position of the first one.
        first: At,
        /// The position of the second one.
        second: At,
    },
    /// Elements within elements without end.
    TooDeep {
        /// The position where the limit was reached.
        at: At,
    },
    /// Not a number of seconds.
    NotSeconds {
        /// The element's path.
        element: String,
        /// Its value.
        value: String,
        /// Its position.
        at: At,
    },
    /// Neither `true` nor `false`.
    NotBoolean {
        /// The element's path.
        element: String,
        /// Its value.
        value: String,
        /// Its position.
        at: At,
    },
    /// The placeholders that the caller gave make no address.
    NotAnAddress {
        /// The address that they make.
        address: String,
    },
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { what } => write!(
                f,
                "1:1: the file has more than {what}, which no identity.xml has; \
                 give conf/identity/identity.xml of your WSO2 Identity Server"
            ),
            Self::Malformed { at, problem } => write!(
                f,
                "{at}: not well-formed XML: {problem}; mend the file there \
                 (`xmllint --noout` finds the same place)"
            ),
            Self::HasDoctype { at } => write!(
                f,
                "{at}: the file has a <!DOCTYPE> declaration, which Remint does not read because \
                 entities can hide anything; remove it and write the values out"
            ),
            Self::NoOAuth { at, root } => write!(
                f,
                "{at}: there is no <OAuth> element in <{root}>, or it is commented out or in a \
                 foreign namespace; give conf/identity/identity.xml of your WSO2 Identity Server"
            ),
            Self::Repeated { element, first, second } => write!(
                f,
                "{second}: <{element}> is there a second time, the first is at {first}; \
                 keep the one that holds"
            ),
            Self::TooDeep { at } => write!(
                f,
                "{at}: elements are nested deeper here than in any identity.xml; \
                 give conf/identity/identity.xml of your WSO2 Identity Server"
            ),
            Self::NotSeconds { element, value, at } => write!(
                f,
                "{at}: {element} is \"{value}\", which is not a number; \
                 write whole seconds, for example 3600"
            ),
            Self::NotBoolean { element, value, at } => {
                write!(f, "{at}: {element} is \"{value}\"; write true or false")
            }
            Self::NotAnAddress { address } => write!(
                f,
                "1:1: the placeholders make the address \"{address}\", which is none; \
                 give the host without scheme, port and path, for example idp.example.com"
            ),
        }
    }
}

impl std::error::Error for ImportError {}
