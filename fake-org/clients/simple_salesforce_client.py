"""simple-salesforce, unpatched, over https against the fake org. The first argument is the line that `fake-org` prints.

simple-salesforce has no web server login of its own and never refreshes: the code is traded by hand, and an expired session
is its error.
"""

import base64
import hashlib
import json
import sys
import urllib.parse

import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceExpiredSession, SalesforceMalformedRequest

org = json.loads(sys.argv[1])
session = requests.Session()
# Not the machine's own list of authorities, which the environment may name.
session.trust_env = False
session.verify = org["ca_file"]

verifier = "v" * 50
challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
callback = "http://127.0.0.1:9/callback"
answer = session.get(
    org["login_url"] + "/services/oauth2/authorize",
    params={
        "response_type": "code", "client_id": org["client_id"], "redirect_uri": callback, "scope": "api refresh_token",
        "code_challenge": challenge, "code_challenge_method": "S256",
    },
    allow_redirects=False,
)
code = urllib.parse.parse_qs(urllib.parse.urlparse(answer.headers["location"]).query)["code"][0]
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

sf = Salesforce(instance_url=tokens["instance_url"], session_id=tokens["access_token"], session=session, version="66.0")
assert len(sf.query_all("SELECT Id, Name FROM Account")["records"]) == 3000
made = sf.Account.create({"Name": "Py"})
assert sf.Account.get(made["id"])["Name"] == "Py"
assert sf.Account.update(made["id"], {"Name": "Py 2"}) == 204
assert sf.Account.upsert("ExternalKey__c/PY", {"Name": "Upserted"}) == 201
assert sf.Account.get_by_custom_id("ExternalKey__c", "PY")["Name"] == "Upserted"
assert sf.Account.delete(made["id"]) == 204
assert any(field["name"] == "Name" for field in sf.Account.describe()["fields"])
assert sf.limits()["DailyApiRequests"]["Max"] == 15000
assert sf.search("FIND {Aurora} RETURNING Account(Id)")["searchRecords"]
assert sf.bulk2.Account.insert(records=[{"Name": "bulk 1"}, {"Name": "bulk 2"}])[0]["numberRecordsProcessed"] == 2
assert "".join(sf.bulk2.Account.query("SELECT Name FROM Account WHERE Name LIKE 'bulk %'")).count("bulk") == 2
try:
    sf.query("SELECT Nope FROM Account")
    raise AssertionError("an unknown field is an error")
except SalesforceMalformedRequest as error:
    assert error.content[0]["errorCode"] == "INVALID_FIELD"
session.post(org["login_url"] + "/fake/expire-access-tokens")
try:
    sf.query("SELECT Id FROM Account")
    raise AssertionError("an expired session is an error")
except SalesforceExpiredSession:
    pass
print("simple-salesforce: all as at Salesforce")
