//! The flags with which a client overrides the server-wide token settings.

use std::time::Duration;

use clap::Args;
use remint_protocol::policy::{MaxLifetime, OnReuse, Overrides};
use remint_protocol::token_settings;
use remint_server::config::Setting;
use serde::Serialize;
use serde_json::Value;

use crate::change::Change;

fn change<T: Setting>(text: &str) -> Result<Change<T>, String> {
    if text == "inherit" {
        return Ok(Change::Unset);
    }
    T::read(text).map(Change::To).ok_or_else(|| format!("write {}, or `inherit`", T::EXPECTS))
}

macro_rules! flags {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty, $word:literal;)*) => {
        /// Token settings of one client. `inherit` follows the server's.
        #[derive(Args, Clone, Debug, Default)]
        #[command(next_help_heading = "Token settings (`inherit` follows the server's)")]
        pub(crate) struct OverrideFlags {
            $(
                $(#[doc = $doc])*
                #[arg(long, value_name = $word, value_parser = change::<$type>)]
                $name: Option<Change<$type>>,
            )*
        }

        impl OverrideFlags {
            pub(crate) fn apply(&self, to: &mut Overrides) {
                $(Change::apply(self.$name.as_ref(), &mut to.$name);)*
            }
        }

        /// The settings that a client does not inherit, as one would write them.
        #[derive(Serialize)]
        pub(crate) struct Shown {
            $($name: Option<Value>,)*
        }

        impl From<&Overrides> for Shown {
            fn from(own: &Overrides) -> Self {
                Self { $($name: own.$name.map(shown),)* }
            }
        }
    };
}

token_settings!(flags);

#[expect(clippy::needless_pass_by_value, reason = "so that it reads `map(shown)`")]
fn shown<T: Setting>(value: T) -> Value {
    match value.show().as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => Value::String(text.trim_matches('"').to_owned()),
    }
}
