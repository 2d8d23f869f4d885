//! The colours of the pages, in the light and in the dark scheme, around the operator's accent.
//!
//! WCAG 2.2 §1.4.3 asks for a contrast of 4.5 between text and what is behind it, §1.4.11 for 3 between
//! the parts of a control. An accent that gives less is moved towards black or white until it does.

use std::fmt::{self, Write as _};

use crate::config::Colour;

const WHITE: Colour = Colour::of(0xff_ffff);
const BLACK: Colour = Colour::of(0x00_0000);
/// Nearly black, which is easier on the eyes than black.
const INK: Colour = Colour::of(0x0a_1512);
const TEXT: f64 = 4.5;
const CONTROL: f64 = 3.0;

/// The colours of one scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Palette {
    ground: Colour,
    surface: Colour,
    text: Colour,
    muted: Colour,
    line: Colour,
    edge: Colour,
    fill: Colour,
    fill_hover: Colour,
    on_fill: Colour,
    accent: Colour,
    tint: Colour,
    danger: Colour,
    danger_tint: Colour,
    warning: Colour,
    warning_tint: Colour,
}

impl Palette {
    /// The light scheme.
    pub fn light(accent: Option<Colour>) -> Self {
        let base = Self {
            ground: Colour::of(0xf4_f5f3),
            surface: WHITE,
            text: Colour::of(0x15_1a18),
            muted: Colour::of(0x56_605c),
            line: Colour::of(0xe2_e6e3),
            edge: Colour::of(0x84_8d89),
            danger: Colour::of(0xac_1f17),
            danger_tint: Colour::of(0xfc_edeb),
            warning: Colour::of(0x76_4b00),
            warning_tint: Colour::of(0xfc_f3de),
            fill: WHITE,
            fill_hover: WHITE,
            on_fill: WHITE,
            accent: WHITE,
            tint: WHITE,
        };
        base.around(accent.unwrap_or(Colour::of(0x0b_6b54)), BLACK)
    }

    /// The dark scheme.
    pub fn dark(accent: Option<Colour>) -> Self {
        let base = Self {
            ground: Colour::of(0x0f_1211),
            surface: Colour::of(0x18_1c1a),
            text: Colour::of(0xec_efed),
            muted: Colour::of(0xa2_aba7),
            line: Colour::of(0x2b_312e),
            edge: Colour::of(0x76_807b),
            danger: Colour::of(0xff_b0a6),
            danger_tint: Colour::of(0x3a_1d1a),
            warning: Colour::of(0xf3_c870),
            warning_tint: Colour::of(0x33_290f),
            fill: BLACK,
            fill_hover: BLACK,
            on_fill: BLACK,
            accent: BLACK,
            tint: BLACK,
        };
        base.around(accent.unwrap_or(Colour::of(0x7d_d8b9)), WHITE)
    }

    /// Takes the accent in; `away` is what is farthest from the ground.
    fn around(self, accent: Colour, away: Colour) -> Self {
        let fill = moved(accent, away, CONTROL, &[self.ground, self.surface]);
        // Black or white: one of them always has enough.
        let on_fill = [WHITE, INK].into_iter().find(|ink| contrast(*ink, fill) >= TEXT);
        let on_fill = on_fill.unwrap_or(BLACK);
        let tint = mixed(self.surface, fill, 0.09);
        Self {
            // Away from its text, so that the text never reads worse than before.
            fill_hover: mixed(fill, if on_fill == WHITE { BLACK } else { WHITE }, 0.14),
            fill,
            on_fill,
            accent: moved(accent, away, TEXT, &[self.ground, self.surface, tint]),
            tint,
            ..self
        }
    }

    /// Returns the colour of the background, for the browser's own frame.
    pub(super) const fn ground(&self) -> Colour {
        self.ground
    }

    pub(super) const fn fill(&self) -> Colour {
        self.fill
    }

    pub(super) const fn on_fill(&self) -> Colour {
        self.on_fill
    }

    fn names(&self) -> [(&'static str, Colour); 15] {
        [
            ("ground", self.ground),
            ("surface", self.surface),
            ("text", self.text),
            ("muted", self.muted),
            ("line", self.line),
            ("edge", self.edge),
            ("fill", self.fill),
            ("fill-hover", self.fill_hover),
            ("on-fill", self.on_fill),
            ("accent", self.accent),
            ("tint", self.tint),
            ("danger", self.danger),
            ("danger-tint", self.danger_tint),
            ("warning", self.warning),
            ("warning-tint", self.warning_tint),
        ]
    }
}

/// The declarations of custom properties.
impl fmt::Display for Palette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.names().iter().try_for_each(|(name, colour)| write!(f, "--{name}:{colour};"))
    }
}

/// The part of the stylesheet that depends on the accent.
pub(super) fn stylesheet(accent: Option<Colour>) -> String {
    let mut out = String::new();
    let (light, dark) = (Palette::light(accent), Palette::dark(accent));
    let _ = writeln!(out, ":root{{color-scheme:light dark;{light}}}");
    let _ = writeln!(out, "@media (prefers-color-scheme:dark){{:root{{{dark}}}}}");
    out
}

/// The colour, or the nearest one on the way to `away` that has `least` contrast with all of `behind`.
fn moved(colour: Colour, away: Colour, least: f64, behind: &[Colour]) -> Colour {
    let is_good = |c: &Colour| behind.iter().all(|b| contrast(*c, *b) >= least);
    let steps = (0..=50).map(|step| mixed(colour, away, f64::from(step) / 50.0));
    steps.into_iter().find(is_good).unwrap_or(away)
}

fn mixed(from: Colour, to: Colour, share: f64) -> Colour {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between two numbers of eight bits"
    )]
    let mix = |from: u8, to: u8| (f64::from(from) * (1.0 - share) + f64::from(to) * share) as u8;
    Colour {
        red: mix(from.red, to.red),
        green: mix(from.green, to.green),
        blue: mix(from.blue, to.blue),
    }
}

/// WCAG 2.2, definition of contrast ratio: from 1 to 21.
fn contrast(a: Colour, b: Colour) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// WCAG 2.2, definition of relative luminance.
fn luminance(colour: Colour) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scheme: &str, p: &Palette) {
        let text = [
            ("text on ground", p.text, p.ground),
            ("text on surface", p.text, p.surface),
            ("text on tint", p.text, p.tint),
            ("text on danger-tint", p.text, p.danger_tint),
            ("text on warning-tint", p.text, p.warning_tint),
            ("muted on ground", p.muted, p.ground),
            ("muted on surface", p.muted, p.surface),
            ("accent on ground", p.accent, p.ground),
            ("accent on surface", p.accent, p.surface),
            ("accent on tint", p.accent, p.tint),
            ("on-fill on fill", p.on_fill, p.fill),
            ("on-fill on fill-hover", p.on_fill, p.fill_hover),
            ("danger on surface", p.danger, p.surface),
            ("danger on danger-tint", p.danger, p.danger_tint),
            ("warning on warning-tint", p.warning, p.warning_tint),
        ];
        for (pair, front, behind) in text {
            let ratio = contrast(front, behind);
            assert!(ratio >= TEXT, "{scheme}: {pair}: {front} {behind}: {ratio:.2}");
        }
        let controls = [
            ("edge of a field", p.edge, p.surface),
            ("edge of a field on ground", p.edge, p.ground),
            ("button", p.fill, p.surface),
            ("button on ground", p.fill, p.ground),
            ("focus ring", p.accent, p.surface),
            ("focus ring on ground", p.accent, p.ground),
        ];
        for (pair, front, behind) in controls {
            let ratio = contrast(front, behind);
            assert!(ratio >= CONTROL, "{scheme}: {pair}: {front} {behind}: {ratio:.2}");
        }
    }

    #[test]
    fn both_schemes_are_readable_whatever_the_accent() {
        check("light", &Palette::light(None));
        check("dark", &Palette::dark(None));
        let steps = || (0..=255u8).step_by(17);
        for red in steps() {
            for green in steps() {
                for blue in steps() {
                    let accent = Colour { red, green, blue };
                    check(&format!("light, {accent}"), &Palette::light(Some(accent)));
                    check(&format!("dark, {accent}"), &Palette::dark(Some(accent)));
                }
            }
        }
    }

    #[test]
    fn an_accent_that_reads_well_stays_as_it_is() {
        let navy = Colour::of(0x1f_4b99);
        let light = Palette::light(Some(navy));
        assert_eq!((light.fill, light.on_fill, light.accent), (navy, WHITE, navy));
        let amber = Colour::of(0xff_b400);
        let dark = Palette::dark(Some(amber));
        assert_eq!((dark.fill, dark.on_fill, dark.accent), (amber, INK, amber));
    }

    #[test]
    fn contrast_is_what_the_guidelines_say() {
        assert!((contrast(WHITE, BLACK) - 21.0).abs() < 1e-9);
        assert!((contrast(Colour::of(0x76_7676), WHITE) - 4.54).abs() < 0.01);
    }
}
