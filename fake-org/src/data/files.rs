//! Versions of files and the documents that they are of: a version without a document makes one (SOAP API guide,
//! "ContentVersion").

use rusqlite::types::Value as Sql;

use super::rows::{Columns, put};
use super::{DataError, Inner};

/// What a document takes over from its newest version.
const SHARED: [&str; 9] = [
    "Title",
    "FileExtension",
    "ContentSize",
    "OwnerId",
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
];

impl Inner {
    /// Makes or renews the document of a version that is about to be inserted, and puts its id in.
    pub(super) fn publish(&mut self, version: &mut Columns) -> Result<(), DataError> {
        let find =
            |name: &str| version.iter().find(|(field, _)| field.name == name).map(|(_, value)| value.clone());
        let latest = find("Id").unwrap_or(Sql::Null);
        let schema = self.schema.clone();
        let (Some(documents), Some(versions)) =
            (schema.object("ContentDocument"), schema.object("ContentVersion"))
        else {
            return Ok(());
        };
        if let Some(Sql::Text(id)) = find("ContentDocumentId") {
            let sql = "UPDATE ContentDocument SET LatestPublishedVersionId = ?2, Title = ?3, FileExtension = ?4, ContentSize = ?5, \
                       LastModifiedDate = ?6, SystemModstamp = ?6 WHERE Id = ?1";
            let values = ["Title", "FileExtension", "ContentSize", "LastModifiedDate"];
            let values = values.map(|name| find(name).unwrap_or(Sql::Null));
            let all = [Sql::Text(id), latest].into_iter().chain(values);
            self.sqlite.prepare_cached(sql)?.execute(rusqlite::params_from_iter(all))?;
            return Ok(());
        }
        let mut document = Columns::new();
        for name in SHARED {
            if let Some(value) = find(name) {
                put(documents, &mut document, name, value);
            }
        }
        let (id, _) = self.next_id(documents);
        put(documents, &mut document, "Id", Sql::Text(id.clone()));
        put(documents, &mut document, "IsDeleted", Sql::Integer(0));
        put(documents, &mut document, "LatestPublishedVersionId", latest);
        put(versions, version, "ContentDocumentId", Sql::Text(id));
        self.insert(documents, document)
    }
}
