//! The fields that a struct reads of an object, and the query that selects exactly these.

use std::borrow::Cow;

use serde_json::{Value, value::RawValue};

use crate::{
    fields::{
        base64::Base64,
        compound::{Address, Location},
    },
    id::{OrgId, SalesforceId, UserId},
    query::{
        Page,
        soql::{
            date::{SoqlDate, SoqlDateTime},
            decimal::SoqlDecimal,
            time::SoqlTime,
        },
    },
};

/// Maximum number of child-to-parent relationships in a row.
///
/// Salesforce's limit. Source: SOQL and SOSL Reference, "Understanding Relationship Query Limitations".
const MAX_PARENTS: usize = 5;
/// Maximum number of levels of children below the object. Salesforce's limit, with the same source.
const MAX_CHILDREN: usize = 4;

/// A struct that lists which fields of which object it reads.
///
/// Derive it, next to serde's `Deserialize`:
///
/// ```
/// use salesforce_connection::{Page, SObject, SalesforceId};
/// use serde::Deserialize;
///
/// #[derive(Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Account {
///     id: SalesforceId,
///     name: String,
///     annual_revenue: Option<f64>,
///     #[serde(rename = "Legacy_Code__c")]
///     legacy_code: Option<String>,
///     owner: User,
///     #[sobject(filter = "Email != null", order_by = "LastName", limit = 5)]
///     contacts: Page<Contact>,
/// }
///
/// #[derive(Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct User { name: String }
///
/// #[derive(Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Contact { last_name: String, email: Option<String> }
///
/// assert_eq!(
///     Account::soql(),
///     "SELECT Id, Name, AnnualRevenue, Legacy_Code__c, Owner.Name, (SELECT LastName, Email FROM Contacts \
///      WHERE Email != null ORDER BY LastName LIMIT 5) FROM Account"
/// );
/// ```
///
/// [`Connection::select`](crate::connection::Connection::select) fetches it.
///
/// * **The object** has the struct's name. `#[sobject(name = "Invoice__c")]` sets another one.
/// * **The fields** are those that serde reads: `rename`, `rename_all` and `skip` mean the same here. A name that
///   is invalid in Salesforce is a compiler error.
/// * **A parent** is a struct that derives `SObject`, or an `Option` of one if the parent may be missing. The field has
///   the name of the relationship: `Account` for `AccountId`, `Account__r` for `Account__c`.
/// * **Children** are a [`Page`] of structs that derive `SObject`, or a `Vec` read with
///   [`child_records`](crate::serde_helpers::child_records). The field has the name of the relationship: `Contacts`,
///   `Invoices__r`. `filter`, `order_by` and `limit` select some of them; placeholders in these are bound to the query
///   like all others.
/// * **Everything else** is a plain field. Types of your program, or of other crates, are marked: `#[sobject(value)]`.
/// * `#[serde(flatten)]` adds the fields of another struct that derives `SObject`.
///
/// # What does not compile
///
/// A type of your program without a mark:
///
/// ```compile_fail,E0277
/// #[derive(serde::Deserialize)]
/// enum Rating { Hot, Cold }
///
/// #[derive(serde::Deserialize, salesforce_connection::SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Account { rating: Rating }
/// ```
///
/// A name that Salesforce does not use (here `name`, which is `Name`):
///
/// ```compile_fail
/// #[derive(serde::Deserialize, salesforce_connection::SObject)]
/// struct Account { name: String }
/// ```
///
/// A relationship under the name of its id field:
///
/// ```compile_fail,E0080
/// # use salesforce_connection::SObject;
/// #[derive(serde::Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Account { name: String }
///
/// #[derive(serde::Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Contact { account_id: Account }
/// ```
///
/// Children of a parent, which SOQL cannot select:
///
/// ```compile_fail,E0080
/// # use salesforce_connection::{Page, SObject};
/// #[derive(serde::Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Case { subject: String }
///
/// #[derive(serde::Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Account { cases: Page<Case> }
///
/// #[derive(serde::Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Contact { account: Account }
/// ```
///
/// A struct that contains itself, which would make the query endless:
///
/// ```compile_fail,E0391
/// # use salesforce_connection::SObject;
/// #[derive(serde::Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Account { name: String, parent: Option<Box<Account>> }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list the fields that it reads of a Salesforce object",
    label = "needs `#[derive(SObject)]`"
)]
pub trait SObject {
    /// The API name of the object, for example `Account`.
    const NAME: &'static str;
    #[doc(hidden)]
    const SHAPE: FieldShape;

    #[doc(hidden)]
    fn select_fields(projection: &mut Projection);

    /// Returns `SELECT … FROM …` with the struct's fields.
    ///
    /// Append clauses for which [`Select`](crate::query::Select) has no method.
    ///
    /// ```
    /// # #[derive(serde::Deserialize, salesforce_connection::SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String }
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::SObject;
    ///
    /// let viewed: Vec<Account> = sf.query(format!("{} LIMIT 5 FOR VIEW", Account::soql())).fetch_all().await?;
    /// # assert_eq!(viewed.len(), 5);
    /// # Ok(()) });
    /// ```
    fn soql() -> String {
        let mut projection = Projection::default();
        Self::select_fields(&mut projection);
        projection.into_soql(Self::NAME)
    }
}

/// A type into which a field can be read.
///
/// Implemented for plain values, for structs that derive [`SObject`], and for `Option`, `Box` and [`Page`] of those.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a Salesforce field",
    label = "a plain value, a parent or children?",
    note = "write `#[sobject(value)]` above a plain value whose type is defined in your program or in another crate",
    note = "a parent's or a child's struct needs `#[derive(SObject)]`"
)]
pub trait SelectField {
    const SHAPE: FieldShape;

    fn select(projection: &mut Projection, name: &str);
}

/// The kind of a field, and the depth of its relationships.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct FieldShape {
    kind: Kind,
    /// Child-to-parent relationships in a row.
    parents: usize,
    /// Levels of children.
    children: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Value,
    Parent,
    Children,
}

impl FieldShape {
    pub const VALUE: Self = Self { kind: Kind::Value, parents: 0, children: 0 };

    /// Returns the shape of a struct with fields of both shapes.
    pub const fn and(self, other: Self) -> Self {
        // `Ord::max` is not const.
        let parents = if other.parents > self.parents { other.parents } else { self.parents };
        let children = if other.children > self.children { other.children } else { self.children };
        Self { kind: self.kind, parents, children }
    }

    const fn parent(self) -> Self {
        assert!(
            self.children == 0,
            "the children of a parent cannot be selected: read them with a separate query"
        );
        Self { kind: Kind::Parent, parents: self.parents + 1, children: 0 }
    }

    const fn children(self) -> Self {
        assert!(
            self.parents <= MAX_PARENTS,
            "more than five relationships upwards, which Salesforce does not follow"
        );
        Self { kind: Kind::Children, parents: 0, children: self.children + 1 }
    }

    pub const fn is_value(self) -> bool {
        matches!(self.kind, Kind::Value)
    }

    pub const fn is_relationship(self) -> bool {
        !self.is_value()
    }

    pub const fn is_children(self) -> bool {
        matches!(self.kind, Kind::Children)
    }
}

/// Fails to compile if the relationships are deeper than Salesforce follows them.
#[doc(hidden)]
pub const fn check_depth(shape: FieldShape) {
    assert!(
        shape.parents <= MAX_PARENTS,
        "more than five relationships upwards, which Salesforce does not follow"
    );
    assert!(
        shape.children <= MAX_CHILDREN,
        "more than four levels of children, which Salesforce does not follow"
    );
}

/// Builds the list between `SELECT` and `FROM`.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Projection {
    list: String,
    /// The relationships from the object to the current parent: `Account.Owner.`.
    path: String,
    /// The clauses of the next children.
    clauses: &'static str,
}

impl Projection {
    pub fn value(&mut self, name: &str) {
        self.push_separator();
        self.list.push_str(&self.path);
        self.list.push_str(name);
    }

    pub fn clauses(&mut self, clauses: &'static str) {
        self.clauses = clauses;
    }

    fn parent<T: SObject>(&mut self, name: &str) {
        let length = self.path.len();
        self.path.push_str(name);
        self.path.push('.');
        T::select_fields(self);
        self.path.truncate(length);
    }

    fn children<T: SObject>(&mut self, name: &str) {
        let clauses = std::mem::take(&mut self.clauses);
        let mut child = Self::default();
        T::select_fields(&mut child);
        self.push_separator();
        self.list.push('(');
        self.list.push_str(&child.into_soql(name));
        self.list.push_str(clauses);
        self.list.push(')');
    }

    fn push_separator(&mut self) {
        if !self.list.is_empty() {
            self.list.push_str(", ");
        }
    }

    fn into_soql(self, object: &str) -> String {
        format!("SELECT {} FROM {object}", self.list)
    }
}

macro_rules! values {
    ($($kind:ty)*) => {$(
        impl SelectField for $kind {
            const SHAPE: FieldShape = FieldShape::VALUE;

            fn select(projection: &mut Projection, name: &str) {
                projection.value(name);
            }
        }
    )*};
}

values! {
    bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 String Box<str> Cow<'_, str> Value Box<RawValue>
    SalesforceId OrgId UserId SoqlDate SoqlDateTime SoqlTime SoqlDecimal Base64
    Address Location
}

impl<T: SObject> SelectField for T {
    const SHAPE: FieldShape = T::SHAPE.parent();

    fn select(projection: &mut Projection, name: &str) {
        projection.parent::<T>(name);
    }
}

impl<T: SelectField> SelectField for Option<T> {
    const SHAPE: FieldShape = T::SHAPE;

    fn select(projection: &mut Projection, name: &str) {
        T::select(projection, name);
    }
}

/// Lets a parent be boxed.
impl<T: SObject> SObject for Box<T> {
    const NAME: &'static str = T::NAME;
    const SHAPE: FieldShape = T::SHAPE;

    fn select_fields(projection: &mut Projection) {
        T::select_fields(projection);
    }
}

impl<T: SObject> SelectField for Page<T> {
    const SHAPE: FieldShape = T::SHAPE.children();

    fn select(projection: &mut Projection, name: &str) {
        projection.children::<T>(name);
    }
}

/// Read with [`child_records`](crate::serde_helpers::child_records).
impl<T: SObject> SelectField for Vec<T> {
    const SHAPE: FieldShape = T::SHAPE.children();

    fn select(projection: &mut Projection, name: &str) {
        projection.children::<T>(name);
    }
}
