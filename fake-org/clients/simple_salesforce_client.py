"""simple-salesforce, unpatched, over https against the fake org. The first argument is the line that `fake-org` prints.

simple-salesforce has no web server login and never refreshes: the code is traded by hand, and an expired session
is its error.
"""

import base64
import datetime
import hashlib
import json
import sys
import urllib.parse

import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

org = json.loads(sys.argv[1])
session = requests.Session()
# Not the machine's own list of authorities, which the environment may name.
session.trust_env = False
session.verify = org["ca_file"]

verifier = "v" * 50
challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
callback = "http://127.0.0.1:9/callback"
response = session.get(
    org["login_url"] + "/services/oauth2/authorize",
    params={
        "response_type": "code", "client_id": org["client_id"], "redirect_uri": callback, "scope": "api refresh_token",
        "code_challenge": challenge, "code_challenge_method": "S256",
    },
    allow_redirects=False,
)
code = urllib.parse.parse_qs(urllib.parse.urlparse(response.headers["location"]).query)["code"][0]
form = {"client_id": org["client_id"], "client_secret": org["client_secret"]}
tokens = session.post(
    org["login_url"] + "/services/oauth2/token",
    data=form | {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier},
).json()

# Refresh with rotation: twice, each time with the newest token.
for _ in range(2):
    data = form | {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = session.post(org["login_url"] + "/services/oauth2/token", data=data).json()
    assert renewed["refresh_token"] != tokens["refresh_token"]
    tokens = tokens | renewed

sf = Salesforce(instance_url=tokens["instance_url"], session_id=tokens["access_token"], session=session)
assert len(sf.query_all("SELECT Id, Name FROM Account")["records"]) == 3000
assert sum(1 for _ in sf.query_all_iter("SELECT Id FROM Account")) == 3000

made = sf.Account.create({"Name": "Py"})
assert sf.Account.get(made["id"])["Name"] == "Py"
assert sf.Account.update(made["id"], {"Name": "Py 2"}) == 204
assert sf.Account.upsert("ExternalKey__c/PY", {"Name": "Upserted"}) == 201
assert sf.Account.upsert("ExternalKey__c/PY", {"Name": "Again"}) == 200
assert sf.Account.get_by_custom_id("ExternalKey__c", "PY")["Name"] == "Again"
assert sf.Account.delete(made["id"]) == 204
now = datetime.datetime.now(datetime.timezone.utc)
day = datetime.timedelta(days=1)
assert made["id"] in [gone["id"] for gone in sf.Account.deleted(now - day, now + day)["deletedRecords"]]
assert sf.Account.updated(now - day, now + day)["ids"]
try:
    sf.Account.get(made["id"])
    raise AssertionError("a deleted record is an error")
except SalesforceResourceNotFound as error:
    assert error.content[0]["errorCode"] in ("NOT_FOUND", "ENTITY_IS_DELETED")

assert any(field["name"] == "Name" for field in sf.Account.describe()["fields"])
assert any(item["name"] == "Account" for item in sf.describe()["sobjects"])
assert sf.limits()["DailyApiRequests"]["Max"] == 15000
assert sf.api_usage["api-usage"].total == 15000
assert sf.search("FIND {Aurora} RETURNING Account(Id)")["searchRecords"]
assert sf.quick_search("Aurora")["searchRecords"]

# Collections and composite have no own method: `restful` takes every resource.
records = [{"attributes": {"type": "Account"}, "Name": name} for name in ("a", "", "b")]
saved = sf.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": records})
assert [item["success"] for item in saved] == [True, False, True]
assert saved[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
ids = [saved[0]["id"], saved[2]["id"]]
records = [{"attributes": {"type": "Account"}, "id": id, "Name": "c"} for id in ids]
assert all(item["success"] for item in sf.restful("composite/sobjects", method="PATCH", json={"records": records}))
read = sf.restful("composite/sobjects/Account", params={"ids": ",".join(ids), "fields": "Name"})
assert [item["Name"] for item in read] == ["c", "c"]
assert all(item["success"] for item in sf.restful("composite/sobjects", method="DELETE", params={"ids": ",".join(ids)}))
path = f"/services/data/v{sf.sf_version}/sobjects/Account"
parts = [
    {"method": "POST", "url": path, "referenceId": "new", "body": {"Name": "together"}},
    {"method": "GET", "url": path + "/@{new.id}", "referenceId": "read"},
]
together = sf.restful("composite", method="POST", json={"compositeRequest": parts})
assert [part["httpStatusCode"] for part in together["compositeResponse"]] == [201, 200]

loaded = sf.bulk2.Account.insert(records=[{"Name": "bulk 1", "Phone": "1"}, {"Name": "", "Phone": "2"}])[0]
assert (loaded["numberRecordsProcessed"], loaded["numberRecordsFailed"]) == (2, 1)
assert "REQUIRED_FIELD_MISSING" in sf.bulk2.Account.get_failed_records(loaded["job_id"])
assert "".join(sf.bulk2.Account.query("SELECT Name FROM Account WHERE Name LIKE 'bulk %'")).count("bulk") == 1

try:
    sf.query("SELECT Nope FROM Account")
    raise AssertionError("an unknown field is an error")
except SalesforceMalformedRequest as error:
    assert error.content[0]["errorCode"] == "INVALID_FIELD"

# An expired session is a separate error class; the library has no refresh token to try.
session.post(org["login_url"] + "/fake/expire-access-tokens")
try:
    sf.query("SELECT Id FROM Account")
    raise AssertionError("an expired session is an error")
except SalesforceExpiredSession as error:
    assert error.content[0]["errorCode"] == "INVALID_SESSION_ID"

# Revoked: no further refresh.
data = form | {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
assert session.post(org["login_url"] + "/services/oauth2/revoke", data={"token": tokens["refresh_token"]}).status_code == 200
assert session.post(org["login_url"] + "/services/oauth2/token", data=data).json()["error"] == "invalid_grant"
counters = session.get(org["login_url"] + "/fake/counters").json()
assert (counters["refresh_reuse"], counters["code_reuse"]) == (0, 0)
print("simple-salesforce: all as at Salesforce")
