//! What `#[serde(…)]` and `#[sobject(…)]` say.

use proc_macro2::TokenTree;
use syn::{Attribute, LitInt, LitStr, Path, Result, Token, meta::ParseNestedMeta, parse::ParseStream, token};

use crate::names::{Rule, is_api_name};

/// What is said of the struct.
pub(crate) struct Container {
    pub(crate) rule: Rule,
    /// The object, where it is not called as the struct is.
    pub(crate) name: Option<String>,
    /// Where the crate is found.
    pub(crate) krate: Path,
}

/// What is said of a field.
#[derive(Default)]
pub(crate) struct Field {
    /// What serde reads it from.
    pub(crate) rename: Option<String>,
    /// Not read at all.
    pub(crate) skip: bool,
    pub(crate) flatten: bool,
    /// Read by a function of the user's.
    pub(crate) custom: bool,
    /// A plain value, whatever its type.
    pub(crate) value: bool,
    /// What follows `FROM` in a subquery.
    pub(crate) clauses: Clauses,
}

/// Which of its children a field reads.
#[derive(Default)]
pub(crate) struct Clauses {
    filter: Option<LitStr>,
    order_by: Option<LitStr>,
    limit: Option<LitInt>,
}

impl Clauses {
    /// ` WHERE … ORDER BY … LIMIT …`, as far as it was said.
    pub(crate) fn soql(&self) -> Option<String> {
        let mut soql = String::new();
        for (word, text) in [
            (" WHERE ", self.filter.as_ref().map(LitStr::value)),
            (" ORDER BY ", self.order_by.as_ref().map(LitStr::value)),
            (" LIMIT ", self.limit.as_ref().map(|limit| limit.base10_digits().to_owned())),
        ] {
            if let Some(text) = text {
                soql.push_str(word);
                soql.push_str(&text);
            }
        }
        (!soql.is_empty()).then_some(soql)
    }
}

impl Container {
    pub(crate) fn read(attributes: &[Attribute], default_crate: Path) -> Result<Self> {
        let mut container = Self { rule: Rule::None, name: None, krate: default_crate };
        for attribute in attributes {
            if attribute.path().is_ident("serde") {
                attribute.parse_nested_meta(|meta| container.serde(&meta))?;
            } else if attribute.path().is_ident("sobject") {
                attribute.parse_nested_meta(|meta| container.sobject(&meta))?;
            }
        }
        Ok(container)
    }

    fn serde(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("rename_all") {
            if let Some(rule) = deserialize_name(meta)? {
                // A name that is none is serde's to complain about.
                self.rule = Rule::named(&rule.value()).unwrap_or(Rule::None);
            }
            return Ok(());
        }
        if meta.path.is_ident("deny_unknown_fields") {
            return Err(meta.error(
                "every row also has `attributes`, so that reading one would fail: remove `deny_unknown_fields`",
            ));
        }
        for through in ["from", "try_from", "transparent", "remote"] {
            if meta.path.is_ident(through) {
                return Err(meta.error(format!(
                    "with `{through}` rows are read into another type: derive `SObject` for that one"
                )));
            }
        }
        skip(meta.input)
    }

    fn sobject(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("name") {
            let name: LitStr = meta.value()?.parse()?;
            if !is_api_name(&name.value()) {
                return Err(syn::Error::new(
                    name.span(),
                    "not the API name of an object, such as `Account` or `Invoice__c`",
                ));
            }
            self.name = Some(name.value());
        } else if meta.path.is_ident("crate") {
            self.krate = meta.value()?.parse::<LitStr>()?.parse()?;
        } else {
            return Err(meta.error("expected `name = \"Invoice__c\"` or `crate = \"…\"`"));
        }
        Ok(())
    }
}

impl Field {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut field = Self::default();
        for attribute in attributes {
            if attribute.path().is_ident("serde") {
                attribute.parse_nested_meta(|meta| field.serde(&meta))?;
            } else if attribute.path().is_ident("sobject") {
                attribute.parse_nested_meta(|meta| field.sobject(&meta))?;
            }
        }
        Ok(field)
    }

    fn serde(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("rename") {
            if let Some(name) = deserialize_name(meta)? {
                self.rename = Some(name.value());
            }
            return Ok(());
        }
        self.skip |= meta.path.is_ident("skip") || meta.path.is_ident("skip_deserializing");
        self.flatten |= meta.path.is_ident("flatten");
        self.custom |= meta.path.is_ident("with") || meta.path.is_ident("deserialize_with");
        skip(meta.input)
    }

    fn sobject(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("value") {
            self.value = true;
        } else if meta.path.is_ident("filter") {
            self.clauses.filter = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("order_by") {
            self.clauses.order_by = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("limit") {
            self.clauses.limit = Some(meta.value()?.parse()?);
        } else {
            return Err(meta.error(
                "expected `value` (a plain field of a type of your own) or, for children, `filter = \"…\"`, \
                 `order_by = \"…\"`, `limit = 5`; the field's name in Salesforce is said with `#[serde(rename = \"…\")]`",
            ));
        }
        Ok(())
    }
}

/// The name in `rename = "…"` or `rename(deserialize = "…")`; `None` when only the one for writing is given.
fn deserialize_name(meta: &ParseNestedMeta<'_>) -> Result<Option<LitStr>> {
    if meta.input.peek(Token![=]) {
        return meta.value()?.parse().map(Some);
    }
    let mut name = None;
    meta.parse_nested_meta(|meta| {
        if meta.path.is_ident("deserialize") {
            name = Some(meta.value()?.parse()?);
            Ok(())
        } else {
            skip(meta.input)
        }
    })?;
    Ok(name)
}

/// Passes over what a key is set to.
fn skip(input: ParseStream<'_>) -> Result<()> {
    if input.peek(token::Paren) {
        input.parse::<TokenTree>()?;
    } else if input.peek(Token![=]) {
        while !input.is_empty() && !input.peek(Token![,]) {
            input.parse::<TokenTree>()?;
        }
    }
    Ok(())
}
