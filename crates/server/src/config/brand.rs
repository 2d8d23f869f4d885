//! The types of `[brand]`: how a name and a colour are written and read.

use std::fmt;

use super::values::{Setting, quoted};

/// `brand.name`: what the service is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrandName(String);

impl BrandName {
    const MOST: usize = 60;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Setting for BrandName {
    const EXPECTS: &'static str = "one to 60 letters on one line, for example \"Example Cloud\"";

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_good = (1..=Self::MOST).contains(&text.chars().count());
        (is_good && !text.contains(char::is_control)).then(|| Self(text.to_owned()))
    }

    fn show(&self) -> String {
        quoted(&self.0)
    }
}

/// `brand.colour`: red, green and blue, as sRGB has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

impl Colour {
    /// The colour `0xrrggbb`.
    pub const fn of(rgb: u32) -> Self {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Self { red, green, blue }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

impl Setting for Colour {
    const EXPECTS: &'static str = "six hexadecimal digits after a #, for example \"#0b6e57\"";

    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        // `from_str_radix` would take a sign.
        let is_hex = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex.then(|| u32::from_str_radix(digits, 16).ok().map(Self::of))?
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_hexadecimal_digits_and_nothing_else() {
        assert_eq!(Colour::read("#0B6e57").map(|c| c.show()), Some("\"#0b6e57\"".into()));
        for text in ["", "#", "0b6e57", "#0b6", "#0b6e57ff", "#+b6e57", "#0b6e5é", "teal", "#;}a{b"]
        {
            assert_eq!(Colour::read(text), None, "{text}");
        }
    }
}
