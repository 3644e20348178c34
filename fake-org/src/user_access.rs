//! What a user may do, as far as an app can ask: profile, kind of user, custom permissions, permission sets.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::builder::Builder;
use crate::data::{DataError, Inner, Writer};
use crate::error::StartError;
use crate::org::FakeOrg;
use crate::schema_file::{record, write};
use crate::state::Org;
use crate::user::User;
use crate::{data::schema::Object, granted::Granted};

/// A change of what one user may do. What it does not name stays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserAccess {
    pub(crate) username: String,
    /// The name of a profile; made if missing.
    #[serde(default)]
    profile: Option<String>,
    /// As the identity writes it: `STANDARD`, `POWER_PARTNER`, `CSN_ONLY`.
    #[serde(default)]
    user_type: Option<String>,
    /// "View Setup and Configuration". By default the users of the profile `System Administrator` have it.
    #[serde(default)]
    view_setup: Option<bool>,
    #[serde(default)]
    custom_permissions: Option<Vec<String>>,
    /// The names of all permission sets that the user has; made if missing.
    #[serde(default)]
    permission_sets: Option<Vec<AssignedSet>>,
}

/// A permission set: its name, or its name and what it grants.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum AssignedSet {
    Name(String),
    Granting {
        name: String,
        #[serde(flatten)]
        granted: Granted,
    },
}

impl AssignedSet {
    fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Granting { name, .. } => name,
        }
    }

    fn granted(&self) -> Option<&Granted> {
        match self {
            Self::Name(_) => None,
            Self::Granting { granted, .. } => Some(granted),
        }
    }
}

impl UserAccess {
    fn of(username: &str, access: &Value) -> Result<Self, StartError> {
        let mut access = access.clone();
        if let Some(members) = access.as_object_mut() {
            members.insert("username".into(), json!(username));
        }
        serde_json::from_value(access).map_err(|error| StartError::Option(format!("user access: {error}")))
    }

    /// Writes the records of it. Returns what the user's permission sets grant, unless they stay.
    fn write(&self, data: &mut Inner, user: &User, by: Writer<'_>) -> Result<Option<Granted>, String> {
        let failed = |error: DataError| error.to_string();
        data.set_profile(user, by.now).map_err(failed)?;
        let Some(wanted) = &self.permission_sets else { return Ok(None) };
        let mut granted = Granted::default();
        let object = |data: &Inner, name: &str| {
            data.schema.object(name).ok_or_else(|| format!("there is no object {name}"))
        };
        let (sets, assignments) = (object(data, "PermissionSet")?, object(data, "PermissionSetAssignment")?);
        data.sqlite
            .execute("DELETE FROM \"PermissionSetAssignment\" WHERE AssigneeId = ?1", [&user.id])
            .map_err(|error| error.to_string())?;
        for assigned in wanted {
            let name = assigned.name();
            let (namespace, local) = split_namespace(name);
            let find =
                "SELECT Id FROM \"PermissionSet\" WHERE Name = ?1 AND COALESCE(NamespacePrefix, '') = ?2";
            let set =
                match data.sqlite.query_row(find, [local, namespace.unwrap_or_default()], |row| row.get(0)) {
                    Ok(set) => set,
                    Err(_) => write_permission_set(data, sets, name, name, by)?,
                };
            if let Some(granted) = assigned.granted() {
                data.set_granted(&set, granted, by.user_id, by.now).map_err(failed)?;
            }
            granted.add(&data.granted_by(&set).map_err(failed)?);
            assign(data, assignments, set, &user.id, by)?;
        }
        Ok(Some(granted))
    }
}

/// Splits an API name into the namespace of its package, if it has one, and the rest.
fn split_namespace(name: &str) -> (Option<&str>, &str) {
    name.split_once("__").map_or((None, name), |(namespace, local)| (Some(namespace), local))
}

/// Writes a permission set; its id.
pub(crate) fn write_permission_set(
    data: &mut Inner,
    sets: &'static Object,
    name: &str,
    label: &str,
    by: Writer<'_>,
) -> Result<String, String> {
    let (namespace, local) = split_namespace(name);
    let id = write(data, sets, &record(json!({ "Name": local, "Label": label })), by)?;
    if let Some(namespace) = namespace {
        let set = "UPDATE \"PermissionSet\" SET NamespacePrefix = ?2 WHERE Id = ?1";
        data.sqlite.execute(set, [id.as_str(), namespace]).map_err(|error| error.to_string())?;
    }
    Ok(id)
}

/// Assigns a permission set to a user.
pub(crate) fn assign(
    data: &mut Inner,
    assignments: &'static Object,
    set: String,
    user: &str,
    by: Writer<'_>,
) -> Result<(), String> {
    let assignment = record(json!({ "PermissionSetId": set, "AssigneeId": user }));
    let id = write(data, assignments, &assignment, by)?;
    let activate = "UPDATE \"PermissionSetAssignment\" SET IsActive = 1 WHERE Id = ?1";
    data.sqlite.execute(activate, [id]).map(drop).map_err(|error| error.to_string())
}

impl Org {
    /// Changes what a user may do; the user is made if missing.
    pub(crate) fn set_user_access(&self, access: &UserAccess) -> Result<(), String> {
        let sets = access.permission_sets.iter().flatten().filter_map(AssignedSet::granted);
        for set in sets {
            if let Some(unknown) = self.data.with(|data| set.unknown(&data.schema).map(str::to_owned)) {
                return Err(format!("a permission set grants {unknown}, which this org does not have"));
            }
        }
        self.user_or_new(&access.username);
        let user = self.auth(|auth| {
            let user = auth.users.iter_mut().find(|user| user.username == access.username)?;
            let rights = &mut user.rights;
            access.profile.clone_into_some(&mut rights.profile);
            access.user_type.clone_into_some(&mut rights.user_type);
            rights.view_setup = access.view_setup.or(rights.view_setup);
            access.custom_permissions.clone_into_some(&mut rights.custom_permissions);
            Some(user.clone())
        });
        let user = user.ok_or_else(|| format!("there is no user {}", access.username))?;
        let now = self.clock.now();
        let by = Writer { user_id: &user.id, now, allow_duplicates: true, client: "" };
        if let Some(granted) = self.data.with(|data| access.write(data, &user, by))? {
            self.auth(|auth| {
                let user = auth.users.iter_mut().find(|user| user.username == access.username);
                user.map(|user| user.rights.granted = granted)
            });
        }
        Ok(())
    }
}

/// Replaces a value where there is a new one.
trait CloneIntoSome<T> {
    fn clone_into_some(&self, target: &mut T);
}

impl<T: Clone> CloneIntoSome<T> for Option<T> {
    fn clone_into_some(&self, target: &mut T) {
        if let Some(value) = self {
            target.clone_from(value);
        }
    }
}

impl Builder {
    /// What a user may do, as far as an app can ask: `{"profile":"Standard User","user_type":"POWER_PARTNER",
    /// "custom_permissions":["Export"],"permission_sets":["Billing"]}`. What is not named stays; profile and permission
    /// sets are made if missing.
    ///
    /// Permission sets and their assignments exist for users with "View Setup and Configuration" only. Those with the
    /// profile `System Administrator`, the default, have it; `"view_setup":true` gives it to others, `false` takes it.
    ///
    /// A permission set may grant objects and fields: `{"name":"Sales","objects":{"Account":"edit","Contact":"read"},
    /// "fields":{"Account.Phone":"read"}}`. That restricts users with the profile `Minimum Access - Salesforce`, who may do
    /// nothing else: what they may not read does not exist for them. Users with other profiles may do everything. What a
    /// set grants are records, too (`ObjectPermissions`, `FieldPermissions`), and a set that is named again without it
    /// grants what it did.
    ///
    /// # Errors
    ///
    /// Names the member that there is not, or whose value means nothing.
    pub fn user_access(mut self, username: &str, access: &Value) -> Result<Self, StartError> {
        self.declared.access.push(UserAccess::of(username, access)?);
        Ok(self)
    }
}

impl FakeOrg {
    /// Changes what a user may do, as [`Builder::user_access`](crate::Builder::user_access) sets it.
    ///
    /// # Errors
    ///
    /// Names the member that there is not, or whose value means nothing.
    pub fn set_user_access(&self, user: &User, access: &Value) -> Result<(), StartError> {
        let access = UserAccess::of(user.username(), access)?;
        self.org.set_user_access(&access).map_err(StartError::Option)
    }
}
