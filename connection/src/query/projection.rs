//! What a struct reads of an object, and the query that asks for exactly that.

use std::borrow::Cow;

use serde_json::{Value, value::RawValue};

use crate::{
    id::{OrgId, SalesforceId, UserId},
    query::{
        Page,
        soql::date::{SoqlDate, SoqlDateTime},
    },
};

/// Salesforce follows at most five relationships upwards, and four levels of children.
/// Source: SOQL and SOSL Reference, "Understanding Relationship Query Limitations".
const MOST_PARENTS: usize = 5;
const MOST_CHILDREN: usize = 4;

/// A struct that knows which fields of which object it reads. Derive it, next to serde's `Deserialize`:
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
/// [`Connection::select`](crate::connection::Connection::select) asks for it.
///
/// * **The object** is called as the struct is, unless `#[sobject(name = "Invoice__c")]` says otherwise.
/// * **The fields** are what serde reads: `rename`, `rename_all` and `skip` mean the same here. A name that Salesforce
///   cannot have is an error of the compiler.
/// * **A parent** is a struct that derives `SObject`, an `Option` of one where there may be none. The field is called
///   as the relationship is: `Account` for `AccountId`, `Account__r` for `Account__c`.
/// * **Children** are a [`Page`] of structs that derive `SObject`, or a `Vec` read with [`children`]. The field is
///   called as the relationship is: `Contacts`, `Invoices__r`. `filter`, `order_by` and `limit` say which; they may
///   have placeholders, which are bound to the query as any other.
/// * **Everything else** is a plain field. Types of your own, or of other crates, are marked: `#[sobject(value)]`.
/// * `#[serde(flatten)]` adds the fields of another struct that derives `SObject`.
///
/// # What does not compile
///
/// A type of your own that does not say what it is:
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
/// A name that Salesforce does not have (here `name`, which is `Name`):
///
/// ```compile_fail
/// #[derive(serde::Deserialize, salesforce_connection::SObject)]
/// struct Account { name: String }
/// ```
///
/// A relationship under the name of its field:
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
/// Children of a parent, which no query can ask for:
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
/// A struct that contains itself, so that the query would have no end:
///
/// ```compile_fail,E0391
/// # use salesforce_connection::SObject;
/// #[derive(serde::Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Account { name: String, parent: Option<Box<Account>> }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which fields of which Salesforce object it reads",
    label = "needs `#[derive(SObject)]`"
)]
pub trait SObject {
    /// The API name of the object, for example `Account`.
    const NAME: &'static str;
    #[doc(hidden)]
    const SHAPE: Shape;

    #[doc(hidden)]
    fn columns(columns: &mut Columns);

    /// `SELECT … FROM …` with the struct's fields, to put conditions behind that [`Select`](crate::query::select::Select) has no
    /// method for.
    ///
    /// ```
    /// # #[derive(serde::Deserialize, salesforce_connection::SObject)] #[serde(rename_all = "PascalCase")]
    /// # struct Account { name: String }
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::SObject;
    ///
    /// let seen: Vec<Account> = sf.query(format!("{} LIMIT 5 FOR VIEW", Account::soql())).fetch_all().await?;
    /// # assert_eq!(seen.len(), 5);
    /// # Ok(()) });
    /// ```
    fn soql() -> String {
        let mut columns = Columns::default();
        Self::columns(&mut columns);
        columns.from(Self::NAME)
    }
}

/// What a field can be read into. Implemented for plain values, for structs that derive [`SObject`], and for `Option`,
/// `Box` and [`Page`] of those.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type that a field of Salesforce is read into",
    label = "a plain value, a parent or children?",
    note = "above a field that is a plain value of a type of your own, or of another crate, write `#[sobject(value)]`",
    note = "a parent's or a child's struct needs `#[derive(SObject)]`"
)]
pub trait Column {
    const SHAPE: Shape;

    fn select(columns: &mut Columns, name: &str);
}

/// What kind of column, and how far its relationships reach.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    kind: Kind,
    /// Relationships upwards.
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

impl Shape {
    pub const VALUE: Self = Self { kind: Kind::Value, parents: 0, children: 0 };

    /// A struct with columns of both shapes.
    pub const fn and(self, other: Self) -> Self {
        // `Ord::max` is not const.
        let parents = if other.parents > self.parents { other.parents } else { self.parents };
        let children = if other.children > self.children { other.children } else { self.children };
        Self { kind: self.kind, parents, children }
    }

    const fn parent(self) -> Self {
        assert!(
            self.children == 0,
            "a parent's children cannot be selected: read them with a query of their own"
        );
        Self { kind: Kind::Parent, parents: self.parents + 1, children: 0 }
    }

    const fn children(self) -> Self {
        assert!(
            self.parents <= MOST_PARENTS,
            "more than five relationships upwards, which Salesforce does not follow"
        );
        Self { kind: Kind::Children, parents: 0, children: self.children + 1 }
    }

    pub const fn is_value(self) -> bool {
        matches!(self.kind, Kind::Value)
    }

    pub const fn is_relation(self) -> bool {
        !self.is_value()
    }

    pub const fn is_children(self) -> bool {
        matches!(self.kind, Kind::Children)
    }
}

/// Whether Salesforce follows relationships that far.
#[doc(hidden)]
pub const fn check(shape: Shape) {
    assert!(
        shape.parents <= MOST_PARENTS,
        "more than five relationships upwards, which Salesforce does not follow"
    );
    assert!(
        shape.children <= MOST_CHILDREN,
        "more than four levels of children, which Salesforce does not follow"
    );
}

/// The list between `SELECT` and `FROM`, as it grows.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Columns {
    list: String,
    /// The relationships that lead to where we are: `Account.Owner.`.
    path: String,
    /// Of the children that come next.
    clauses: &'static str,
}

impl Columns {
    pub fn value(&mut self, name: &str) {
        self.begin();
        self.list.push_str(&self.path);
        self.list.push_str(name);
    }

    pub fn clauses(&mut self, clauses: &'static str) {
        self.clauses = clauses;
    }

    fn parent<T: SObject>(&mut self, name: &str) {
        let here = self.path.len();
        self.path.push_str(name);
        self.path.push('.');
        T::columns(self);
        self.path.truncate(here);
    }

    fn children<T: SObject>(&mut self, name: &str) {
        let clauses = std::mem::take(&mut self.clauses);
        let mut of_child = Self::default();
        T::columns(&mut of_child);
        self.begin();
        self.list.push('(');
        self.list.push_str(&of_child.from(name));
        self.list.push_str(clauses);
        self.list.push(')');
    }

    fn begin(&mut self) {
        if !self.list.is_empty() {
            self.list.push_str(", ");
        }
    }

    fn from(self, name: &str) -> String {
        format!("SELECT {} FROM {name}", self.list)
    }
}

macro_rules! values {
    ($($kind:ty)*) => {$(
        impl Column for $kind {
            const SHAPE: Shape = Shape::VALUE;

            fn select(columns: &mut Columns, name: &str) {
                columns.value(name);
            }
        }
    )*};
}

values! {
    bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 String Box<str> Cow<'_, str> Value Box<RawValue>
    SalesforceId OrgId UserId SoqlDate SoqlDateTime
}

impl<T: SObject> Column for T {
    const SHAPE: Shape = T::SHAPE.parent();

    fn select(columns: &mut Columns, name: &str) {
        columns.parent::<T>(name);
    }
}

impl<T: Column> Column for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn select(columns: &mut Columns, name: &str) {
        T::select(columns, name);
    }
}

/// A parent may be boxed.
impl<T: SObject> SObject for Box<T> {
    const NAME: &'static str = T::NAME;
    const SHAPE: Shape = T::SHAPE;

    fn columns(columns: &mut Columns) {
        T::columns(columns);
    }
}

impl<T: SObject> Column for Page<T> {
    const SHAPE: Shape = T::SHAPE.children();

    fn select(columns: &mut Columns, name: &str) {
        columns.children::<T>(name);
    }
}

/// Read with [`children`].
impl<T: SObject> Column for Vec<T> {
    const SHAPE: Shape = T::SHAPE.children();

    fn select(columns: &mut Columns, name: &str) {
        columns.children::<T>(name);
    }
}
