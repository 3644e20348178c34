//! Files in records: sent in parts or as base64, read as bytes.
use crate::support::{Api, send};
use salesforce_fake_org::FakeOrg;
use serde_json::json;

/// The form of the REST guide's "Insert or Update Blob Data".
#[tokio::test]
async fn a_file_is_sent_in_parts_and_read_as_it_was() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let body = concat!(
        "--boundary_string\r\nContent-Disposition: form-data; name=\"entity_document\";\r\n",
        "Content-Type: application/json\r\n\r\n{ \"Name\": \"Brochure\", \"ContentType\": \"application/pdf\" }\r\n",
        "--boundary_string\r\nContent-Type: application/pdf\r\n",
        "Content-Disposition: form-data; name=\"Body\"; filename=\"q1.pdf\"\r\n\r\n%PDF\r\n--not the end\r\n",
        "--boundary_string--"
    );
    let request = |body: String| {
        api.http
            .post(api.url("/sobjects/Document/"))
            .bearer_auth(&api.token)
            .header("content-type", "multipart/form-data; boundary=\"boundary_string\"")
            .body(body)
    };
    let made = send(request(body.to_owned())).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/sobjects/Document/{id}");
    let record = api.get(&path).await.json();
    assert_eq!(record["BodyLength"], "%PDF\r\n--not the end".len());
    assert_eq!(record["Body"], format!("/services/data/v66.0{path}/Body"), "a path, not the bytes");
    assert_eq!(api.records("SELECT Body FROM Document").await[0]["Body"], record["Body"]);
    let file = api.get(&format!("{path}/Body")).await;
    assert_eq!(
        (file.body.as_str(), file.header("content-type")),
        ("%PDF\r\n--not the end", "application/pdf")
    );

    let two = body.replace("; filename=\"q1.pdf\"", "");
    let none = body.replace("name=\"entity_document\";", "name=\"Other\"; filename=\"a\"");
    for wrong in ["no parts at all".to_owned(), two, none] {
        let refused = send(request(wrong)).await;
        assert_eq!((refused.status, refused.error().0.as_str()), (400, "INVALID_MULTIPART_REQUEST"));
    }
}

/// As `sf data create file` sends it, Salesforce's own CLI: the file first, the record after it. A version without a
/// document makes one, which it then reads.
#[tokio::test]
async fn versions_of_files_have_documents() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let version = async |record: &str, text: &str| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"VersionData\"; filename=\"note.txt\"\r\n\
             Content-Type: text/plain\r\n\r\n{text}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"entity_content\"\r\n\
             Content-Type: application/json\r\n\r\n{record}\r\n--b--\r\n"
        );
        let request = api.http.post(api.url("/sobjects/ContentVersion")).bearer_auth(&api.token);
        let made = send(request.header("content-type", "multipart/form-data; boundary=b").body(body)).await;
        assert_eq!(made.status, 201, "{made:?}");
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let fields = "Id, ContentDocumentId, Title, FileExtension, ContentDocument.LatestPublishedVersionId, \
                      ContentDocument.Title, ContentDocument.ContentSize";
        api.records(&format!("SELECT {fields} FROM ContentVersion WHERE Id = '{id}'")).await.remove(0)
    };
    let first = version(r#"{"PathOnClient":"/home/ada/note.txt"}"#, "hello").await;
    assert_eq!((&first["Title"], &first["FileExtension"]), (&json!("note"), &json!("txt")));
    assert!(first["ContentDocumentId"].as_str().unwrap().starts_with("069"));
    assert_eq!(first["ContentDocument"]["LatestPublishedVersionId"], first["Id"]);
    let document = first["ContentDocumentId"].as_str().unwrap();
    let record = json!({ "PathOnClient": "n.txt", "Title": "Second", "ContentDocumentId": document });
    let second = version(&record.to_string(), "hello, all").await;
    assert_eq!(second["ContentDocumentId"], first["ContentDocumentId"]);
    let of = &second["ContentDocument"];
    assert_eq!(
        (&of["LatestPublishedVersionId"], &of["Title"], &of["ContentSize"]),
        (&second["Id"], &json!("Second"), &json!(10))
    );
    assert_eq!(api.query("SELECT COUNT() FROM ContentDocument").await.json()["totalSize"], 1);
}

#[tokio::test]
async fn a_small_file_can_be_base64_in_json() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let file = json!({ "PathOnClient": "a.txt", "VersionData": "aGVsbG8=" });
    let made = api.post("/sobjects/ContentVersion", file).await.json();
    let path = format!("/sobjects/ContentVersion/{}/VersionData", made["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.body, "hello");
    let without = api.post("/sobjects/ContentVersion", json!({ "PathOnClient": "a.txt" })).await;
    assert_eq!(without.error().0, "REQUIRED_FIELD_MISSING");
}
