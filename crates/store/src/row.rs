//! Values as they go into and come out of the database: numbers, text, bytes.

use remint_protocol::ends::Ends;
use remint_protocol::time::Timestamp;

use crate::Error;

/// One value. Time is a number of milliseconds, a flag is 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

macro_rules! value_from {
    ($($type:ty => |$v:ident| $value:expr;)*) => {
        $(impl From<$type> for Value { fn from($v: $type) -> Self { $value } })*
    };
}

value_from! {
    i64 => |v| Self::Int(v);
    u32 => |v| Self::Int(v.into());
    u16 => |v| Self::Int(v.into());
    u8 => |v| Self::Int(v.into());
    bool => |v| Self::Int(v.into());
    Timestamp => |v| Self::Int(v.as_millis());
    Ends => |v| Self::Int(v.number());
    &str => |v| Self::Text(v.to_owned());
    String => |v| Self::Text(v);
    Vec<u8> => |v| Self::Blob(v);
    [u8; 16] => |v| Self::Blob(v.to_vec());
    [u8; 32] => |v| Self::Blob(v.to_vec());
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer.
pub(crate) type Row = Vec<Value>;

/// Takes a row apart, column by column, and refuses what cannot be.
pub(crate) struct Columns {
    table: &'static str,
    row: std::vec::IntoIter<Value>,
}

impl Columns {
    pub(crate) fn new(table: &'static str, row: Row) -> Self {
        Self { table, row: row.into_iter() }
    }

    pub(crate) const fn corrupt(&self, column: &'static str) -> Error {
        Error::Corrupt { table: self.table, column }
    }

    pub(crate) fn take<T: FromValue>(&mut self, column: &'static str) -> Result<T, Error> {
        let value = self.row.next().unwrap_or(Value::Null);
        T::from_value(value).ok_or_else(|| self.corrupt(column))
    }

    /// Takes what a row cannot be without, with `take`; `column` is its first one.
    pub(crate) fn require<T>(
        &mut self,
        column: &'static str,
        take: impl FnOnce(&mut Self) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        take(self)?.ok_or_else(|| self.corrupt(column))
    }

    /// Takes a column and reads it with `read`.
    pub(crate) fn parse<T: FromValue, U>(
        &mut self,
        column: &'static str,
        read: impl FnOnce(T) -> Option<U>,
    ) -> Result<U, Error> {
        let value = self.take(column)?;
        read(value).ok_or_else(|| self.corrupt(column))
    }
}

/// A type that a column may have.
pub(crate) trait FromValue: Sized {
    fn from_value(value: Value) -> Option<Self>;
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

impl FromValue for i64 {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Int(v) = value { Some(v) } else { None }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(v) = value { Some(v) } else { None }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Blob(v) = value { Some(v) } else { None }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Blob(v) = value { v.try_into().ok() } else { None }
    }
}

impl FromValue for Timestamp {
    fn from_value(value: Value) -> Option<Self> {
        i64::from_value(value).map(Self::from_millis)
    }
}

impl FromValue for Ends {
    fn from_value(value: Value) -> Option<Self> {
        i64::from_value(value).map(Self::new)
    }
}

impl FromValue for bool {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Int(0) => Some(false),
            Value::Int(1) => Some(true),
            Value::Null | Value::Int(_) | Value::Text(_) | Value::Blob(_) => None,
        }
    }
}

macro_rules! small_numbers {
    ($($type:ty)*) => {
        $(impl FromValue for $type {
            fn from_value(value: Value) -> Option<Self> {
                i64::from_value(value).and_then(|v| v.try_into().ok())
            }
        })*
    };
}

small_numbers! { u8 u16 u32 u64 }
