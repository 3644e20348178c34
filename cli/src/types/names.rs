//! Rust names for objects, fields and picklist values.
//!
//! All of them are ASCII: rustc warns of some identifiers in other scripts.

use std::collections::HashSet;

use deunicode::deunicode;
use heck::ToSnakeCase as _;

/// Keywords of all editions, strict and reserved. Source: The Rust Reference, "Keywords".
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];
/// Keywords that cannot be raw identifiers.
const NEVER_RAW: [&str; 3] = ["crate", "self", "super"];
/// Types and traits that a written file uses. A struct of this name would hide them there.
const USED_TYPES: [&str; 20] = [
    "Self",
    "String",
    "Option",
    "Vec",
    "Box",
    "Result",
    "From",
    "SObject",
    "SalesforceId",
    "Deserialize",
    "Serialize",
    "Address",
    "Location",
    "SoqlDate",
    "SoqlDateTime",
    "SoqlTime",
    "SoqlDecimal",
    "InvalidValue",
    "SoqlLiteral",
    "ToSoql",
];
/// The variant for values that are not known, and a keyword.
const USED_VARIANTS: [&str; 2] = ["Other", "Self"];

/// The names that are in use.
#[derive(Debug, Default)]
pub(super) struct Taken(HashSet<String>);

impl Taken {
    pub(super) fn types() -> Self {
        Self(USED_TYPES.map(str::to_owned).into())
    }

    fn variants() -> Self {
        Self(USED_VARIANTS.map(str::to_owned).into())
    }

    fn take(&mut self, name: &str) -> bool {
        self.0.insert(name.to_owned())
    }

    /// Takes the first free one of the candidates, then of the last of them with a number.
    pub(super) fn first_free(&mut self, candidates: &[String]) -> String {
        if let Some(free) = candidates.iter().find(|name| self.take(name)) {
            return free.clone();
        }
        let base = candidates.last().cloned().unwrap_or_default();
        let mut number = 2_u32;
        loop {
            let name = format!("{base}{number}");
            if self.take(&name) {
                return name;
            }
            number += 1;
        }
    }
}

/// The name of the struct of an object: `Account`, `Invoice`, `AcmeInvoice`, `OrderPlacedEvent`.
pub(super) fn object(api_name: &str, taken: &mut Taken) -> String {
    let base = object_base(api_name);
    taken.first_free(&[base.clone(), pascal(api_name), format!("{base}Object")])
}

/// As [`object`], before it is made unique.
pub(super) fn object_base(api_name: &str) -> String {
    let Some((stem, suffix)) = api_name.rsplit_once("__") else { return pascal(api_name) };
    let (stem, kind) = (pascal(stem), suffix.to_ascii_lowercase());
    // Source: Metadata API Developer Guide, "Custom Object" (suffixes of API names).
    let word = match kind.as_str() {
        "c" => String::new(),
        "e" => "Event".to_owned(),
        "mdt" => "Metadata".to_owned(),
        "x" => "External".to_owned(),
        "b" => "BigObject".to_owned(),
        "kav" => "Article".to_owned(),
        _ => pascal(suffix),
    };
    if stem.ends_with(&word) { stem } else { stem + &word }
}

/// A name in `PascalCase` with the letters as they are: `SICCode`, `ClosedWon`, `N100`, `V1_10`.
pub(super) fn pascal(text: &str) -> String {
    let mut name = String::new();
    for word in deunicode(text).split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        // rustc accepts an underscore in such a name between two digits only.
        if name.ends_with(|c: char| c.is_ascii_digit()) && word.starts_with(|c: char| c.is_ascii_digit()) {
            name.push('_');
        }
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    if name.is_empty() {
        "Value".to_owned()
    } else if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("N{name}")
    } else {
        name
    }
}

/// The names of a struct's fields, in the order of the API names, each of which may be a reference.
///
/// Standard fields have the shorter name where two fields would have the same one. A reference `Parent__c` is `parent_id`,
/// as `AccountId` is `account_id`, so that the relationship `Parent__r` is `parent`.
pub(super) fn fields(api_names: &[(&str, bool)]) -> Vec<String> {
    let mut order: Vec<usize> = (0..api_names.len()).collect();
    order.sort_by_key(|&index| {
        let (name, _) = api_names.get(index).copied().unwrap_or_default();
        (name.split("__").count(), name)
    });
    let (mut taken, mut names) = (Taken::default(), vec![String::new(); api_names.len()]);
    for index in order {
        let (Some((api_name, is_reference)), Some(name)) = (api_names.get(index), names.get_mut(index))
        else {
            continue;
        };
        let full = snake(api_name);
        *name = taken.first_free(&[field(api_name, *is_reference), full.clone(), format!("{full}_")]);
    }
    names
}

fn field(api_name: &str, is_reference: bool) -> String {
    match api_name.rsplit_once("__") {
        Some((stem, "c")) if is_reference && !stem.to_ascii_lowercase().ends_with("id") => {
            snake(&format!("{stem}_id"))
        }
        Some((stem, "c" | "r" | "s")) => snake(stem),
        _ => snake(api_name),
    }
}

fn snake(text: &str) -> String {
    let name = deunicode(text).to_snake_case();
    if name.is_empty() {
        "field".to_owned()
    } else if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("n{name}")
    } else if NEVER_RAW.contains(&name.as_str()) {
        name + "_"
    } else if KEYWORDS.contains(&name.as_str()) {
        format!("r#{name}")
    } else {
        name
    }
}

/// The names of an enum's variants, in the order of the values.
///
/// They depend on the values and on nothing else, so that another order of a picklist leaves each value its name.
pub(super) fn variants(values: &[&str]) -> Vec<String> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|&index| values.get(index).copied().unwrap_or_default());
    let (mut taken, mut names) = (Taken::variants(), vec![None; values.len()]);
    let variant = |index: usize| pascal(&words(values.get(index).copied().unwrap_or_default()));
    // A value has its plain name before another one gets that name with a number.
    for &index in &order {
        let base = variant(index);
        if taken.take(&base)
            && let Some(name) = names.get_mut(index)
        {
            *name = Some(base);
        }
    }
    for index in order {
        if let Some(name) = names.get_mut(index)
            && name.is_none()
        {
            let base = variant(index);
            let is_used = USED_VARIANTS.contains(&base.as_str());
            *name = Some(taken.first_free(&[if is_used { base + "Value" } else { base }]));
        }
    }
    names.into_iter().flatten().collect()
}

/// Signs that tell values apart (`C`, `C++`; `<10`, `>10`) as words.
fn words(value: &str) -> String {
    let mut text = String::new();
    let mut letters = value.chars().peekable();
    while let Some(letter) = letters.next() {
        let word = match letter {
            '+' => "plus",
            '&' => "and",
            '%' => "percent",
            '#' => "hash",
            '<' => "below",
            '>' => "above",
            '-' if text.is_empty() && letters.peek().is_some_and(char::is_ascii_digit) => "minus",
            letter => {
                text.push(letter);
                continue;
            }
        };
        text.extend([" ", word, " "]);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_have_the_names_that_a_rust_program_would_give_them() {
        for (api_name, expected) in [
            ("AnnualRevenue", "annual_revenue"),
            ("Type", "r#type"),
            ("Self__c", "self_"),
            ("Gen__c", "r#gen"),
            ("Legacy_Code__c", "legacy_code"),
            ("acme__Total__c", "acme_total"),
            ("Place__Latitude__s", "place_latitude"),
            ("Loyalty__pc", "loyalty_pc"),
            ("LastCURequestDate", "last_cu_request_date"),
        ] {
            assert_eq!(fields(&[(api_name, false)]), [expected]);
        }
    }

    #[test]
    fn a_standard_field_has_the_shorter_name() {
        let fields_of = |names: &[&str]| fields(&names.iter().map(|name| (*name, false)).collect::<Vec<_>>());
        assert_eq!(fields_of(&["Total__c", "acme__Total__c", "Total"]), ["total_c", "acme_total", "total"]);
    }

    #[test]
    fn a_reference_and_its_relationship_have_the_same_names_together_and_alone() {
        assert_eq!(fields(&[("Parent__c", true), ("Parent__r", false)]), ["parent_id", "parent"]);
        assert_eq!(fields(&[("Parent__c", true)]), ["parent_id"]);
        assert_eq!(fields(&[("SoldById__c", true), ("AccountId", true)]), ["sold_by_id", "account_id"]);
    }

    #[test]
    fn objects_have_names_with_what_their_suffix_means() {
        let mut taken = Taken::types();
        for (api_name, expected) in [
            ("Account", "Account"),
            ("Invoice_Line__c", "InvoiceLine"),
            ("acme__Invoice__c", "AcmeInvoice"),
            ("Setting__mdt", "SettingMetadata"),
            ("Order_Placed__e", "OrderPlacedEvent"),
            ("Stock_Event__e", "StockEvent"),
            ("Option__c", "OptionC"),
            ("Address", "AddressObject"),
            ("Account__c", "AccountC"),
        ] {
            assert_eq!(object(api_name, &mut taken), expected);
        }
    }

    #[test]
    fn a_value_keeps_its_name_whatever_the_order_of_the_picklist_is() {
        let values =
            ["C", "C++", "c", "Other", "1-10", "11-0", "<10", ">10", "-5", "北京", "Self", "***", "Übergabe"];
        let expected = [
            "C",
            "CPlusPlus",
            "C2",
            "OtherValue",
            "N1_10",
            "N11_0",
            "Below10",
            "Above10",
            "Minus5",
            "BeiJing",
            "SelfValue",
            "Value",
            "Ubergabe",
        ];
        let names = variants(&values);
        assert_eq!(names, expected);
        let mut reversed = values;
        reversed.reverse();
        let mut again = variants(&reversed);
        again.reverse();
        assert_eq!(again, names);
    }

    #[test]
    fn no_object_gets_the_name_of_a_type_that_a_written_file_uses() {
        let text = include_str!("../../tests/commands/types/generated.rs");
        let written: HashSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum ")))
            .map(|rest| rest.trim_end_matches(" {"))
            .collect();
        // The lines that name types; the other ones are docs, attributes, variants and the arms of a `match`.
        let lines = text.lines().filter(|line| {
            ["pub ", "impl ", "fn ", "use "].iter().any(|begin| line.trim().starts_with(begin))
        });
        let words = lines.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()));
        let used: HashSet<&str> =
            words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase())).collect();
        // Always written as `serde_json::Value`.
        let hidden: Vec<_> = used
            .into_iter()
            .filter(|name| *name != "Value" && !written.contains(name) && !USED_TYPES.contains(name))
            .collect();
        assert!(hidden.is_empty(), "an object of this name would hide the type: {hidden:?}");
        assert_eq!(object("From__c", &mut Taken::types()), "FromC");
    }

    proptest! {
        #[test]
        fn any_names_become_valid_rust_names_and_unique(texts in prop::collection::hash_set(".{0,24}|[a-c_]{1,4}__[cr]|type|[0-9]{1,3}", 0..40)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut taken = Taken::types();
            let objects: Vec<String> = texts.iter().map(|text| object(text, &mut taken)).collect();
            let references: Vec<(&str, bool)> = texts.iter().map(|text| (*text, text.len() % 2 == 0)).collect();
            for (names, is_type) in [(fields(&references), false), (variants(&texts), true), (objects, true)] {
                prop_assert_eq!(names.len(), texts.len());
                prop_assert_eq!(names.iter().collect::<HashSet<_>>().len(), texts.len());
                for name in &names {
                    prop_assert!(syn::parse_str::<syn::Ident>(name).is_ok(), "{}", name);
                    prop_assert!(name.is_ascii() && name != "_");
                    prop_assert!(name.starts_with(|c: char| if is_type { c.is_ascii_uppercase() } else { c.is_ascii_lowercase() }), "{}", name);
                }
            }
        }
    }
}
