//! The flags that say what is known of a person.

use std::collections::BTreeMap;

use clap::Args;
use remint_protocol::claims::{Claim, Profile};
use serde_json::{Map, Value};

use crate::change::Change;

/// Claims about the user (OpenID Connect Core §5.1).
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Claims (`\"\"` takes one away)")]
pub(super) struct ProfileFlags {
    /// The whole name, as it is shown.
    #[arg(long, value_name = "TEXT", value_parser = Change::read)]
    name: Option<Change<String>>,
    /// First names.
    #[arg(long, value_name = "TEXT", value_parser = Change::read)]
    given_name: Option<Change<String>>,
    /// Surnames.
    #[arg(long, value_name = "TEXT", value_parser = Change::read)]
    family_name: Option<Change<String>>,
    /// Middle names.
    #[arg(long, value_name = "TEXT", value_parser = Change::read)]
    middle_name: Option<Change<String>>,
    /// The name that friends use.
    #[arg(long, value_name = "TEXT", value_parser = Change::read)]
    nickname: Option<Change<String>>,
    /// A short name for applications to show.
    #[arg(long, value_name = "TEXT", value_parser = Change::read)]
    preferred_username: Option<Change<String>>,
    /// A page about them.
    #[arg(long, value_name = "URL", value_parser = Change::read)]
    profile: Option<Change<String>>,
    /// An image.
    #[arg(long, value_name = "URL", value_parser = Change::read)]
    picture: Option<Change<String>>,
    /// A page of theirs.
    #[arg(long, value_name = "URL", value_parser = Change::read)]
    website: Option<Change<String>>,
    /// The address that they prefer. Another one is not verified until `--email-verified` says so.
    #[arg(long, value_name = "ADDRESS", value_parser = Change::read)]
    email: Option<Change<String>>,
    /// Whether that was found to be theirs.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    email_verified: Option<bool>,
    /// `female`, `male`, or another word.
    #[arg(long, value_name = "TEXT", value_parser = Change::read)]
    gender: Option<Change<String>>,
    /// As in 1990-12-31; 0000-12-31 without the year.
    #[arg(long, value_name = "DATE", value_parser = Change::read)]
    birthdate: Option<Change<String>>,
    /// A time zone, as in Europe/Paris.
    #[arg(long, value_name = "ZONE", value_parser = Change::read)]
    zoneinfo: Option<Change<String>>,
    /// A language, as in en-GB.
    #[arg(long, value_name = "TAG", value_parser = Change::read)]
    locale: Option<Change<String>>,
    /// Preferably as in "+1 (425) 555-1212". Another one is not verified until
    /// `--phone-number-verified` says so.
    #[arg(long, value_name = "NUMBER", value_parser = Change::read)]
    phone_number: Option<Change<String>>,
    /// Whether that was found to be theirs.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    phone_number_verified: Option<bool>,
    #[command(flatten)]
    address: AddressFlags,
}

/// Members of the claim `address` (OpenID Connect Core §5.1.1).
#[derive(Args, Clone, Debug, Default)]
struct AddressFlags {
    /// The whole address, as on a letter.
    #[arg(long = "address", value_name = "TEXT", value_parser = Change::read)]
    formatted: Option<Change<String>>,
    /// Street and number.
    #[arg(long = "address-street", value_name = "TEXT", value_parser = Change::read)]
    street: Option<Change<String>>,
    /// City.
    #[arg(long = "address-locality", value_name = "TEXT", value_parser = Change::read)]
    locality: Option<Change<String>>,
    /// State or province.
    #[arg(long = "address-region", value_name = "TEXT", value_parser = Change::read)]
    region: Option<Change<String>>,
    /// Postal code.
    #[arg(long = "address-postal-code", value_name = "TEXT", value_parser = Change::read)]
    postal_code: Option<Change<String>>,
    /// Country.
    #[arg(long = "address-country", value_name = "TEXT", value_parser = Change::read)]
    country: Option<Change<String>>,
}

fn text(new: Option<&Change<String>>) -> Option<Change<Value>> {
    new.map(|new| new.clone().into_option().map_or(Change::Unset, |text| Change::To(text.into())))
}

fn flag(new: Option<bool>) -> Option<Change<Value>> {
    new.map(|flag| Change::To(flag.into()))
}

impl ProfileFlags {
    /// Returns the flags that were given, as changes of `current`.
    pub(super) fn changes(&self, current: &Profile) -> BTreeMap<Claim, Option<Value>> {
        let all = [
            (Claim::Name, text(self.name.as_ref())),
            (Claim::GivenName, text(self.given_name.as_ref())),
            (Claim::FamilyName, text(self.family_name.as_ref())),
            (Claim::MiddleName, text(self.middle_name.as_ref())),
            (Claim::Nickname, text(self.nickname.as_ref())),
            (Claim::PreferredUsername, text(self.preferred_username.as_ref())),
            (Claim::Profile, text(self.profile.as_ref())),
            (Claim::Picture, text(self.picture.as_ref())),
            (Claim::Website, text(self.website.as_ref())),
            (Claim::Email, text(self.email.as_ref())),
            (Claim::EmailVerified, flag(self.email_verified)),
            (Claim::Gender, text(self.gender.as_ref())),
            (Claim::Birthdate, text(self.birthdate.as_ref())),
            (Claim::Zoneinfo, text(self.zoneinfo.as_ref())),
            (Claim::Locale, text(self.locale.as_ref())),
            (Claim::PhoneNumber, text(self.phone_number.as_ref())),
            (Claim::PhoneNumberVerified, flag(self.phone_number_verified)),
            (Claim::Address, self.address.change(current)),
        ];
        let named =
            all.into_iter().filter_map(|(claim, change)| Some((claim, change?.into_option())));
        named.collect()
    }
}

impl AddressFlags {
    /// The address with what was named; `None` where nothing was.
    fn change(&self, current: &Profile) -> Option<Change<Value>> {
        let members = [
            ("formatted", text(self.formatted.as_ref())),
            ("street_address", text(self.street.as_ref())),
            ("locality", text(self.locality.as_ref())),
            ("region", text(self.region.as_ref())),
            ("postal_code", text(self.postal_code.as_ref())),
            ("country", text(self.country.as_ref())),
        ];
        if members.iter().all(|(_, change)| change.is_none()) {
            return None;
        }
        let known = current.find(Claim::Address).and_then(Value::as_object);
        let mut address: Map<String, Value> = known.cloned().unwrap_or_default();
        for (name, change) in members {
            match change {
                None => {}
                Some(Change::Unset) => drop(address.remove(name)),
                Some(Change::To(value)) => drop(address.insert(name.to_owned(), value)),
            }
        }
        Some(if address.is_empty() { Change::Unset } else { Change::To(address.into()) })
    }
}
