//! Tables, members and the state of the cluster.
//!
//! The documents are what the server answers: this crate reads the members it needs and passes the rest on, so that
//! an older client shows a newer server's answer whole.

use crate::call::Call;
use crate::client::{Client, GRACE, decode, millis};
use crate::error::Error;
use crate::key::encoded;
use crate::outcome::Effect;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

/// What a new table should be; what is `None` is left to the server's default.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableSpec {
    /// `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// `hash` or `range`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sharding: Option<String>,
    /// Copies of each record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u8>,
    /// Default level of reads: a name or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r: Option<Json>,
    /// The write promise: a name or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w: Option<Json>,
    /// `register`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Shards a hash table starts with: a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u32>,
    /// `sync` or `os`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<String>,
    /// Default expiry of values, such as `60s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
}

/// What to change of a table; what is `None` stays.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Alteration {
    /// Default level of reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r: Option<Json>,
    /// `sync` or `os`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<String>,
    /// Default expiry of values; `Some(Json::Null)`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Json>,
}

/// A member, as the node that was asked sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its id, such as `n1`.
    pub id: Json,
    /// Its name.
    pub name: String,
    /// Its failure domain.
    pub zone: String,
    /// `up`, `down`, or another word of its state.
    pub state: String,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Json>,
}

impl Client {
    /// All tables.
    pub async fn tables(&self) -> Result<Json, Error> {
        self.ask("/v1/tables".to_owned()).await
    }

    /// One table.
    pub async fn table(&self, name: &str) -> Result<Json, Error> {
        self.ask(format!("/v1/tables/{}", encoded(name.as_bytes()))).await
    }

    /// Makes a table; answered once every reachable member knows it.
    pub async fn create_table(&self, spec: &TableSpec) -> Result<Json, Error> {
        self.change_catalog(Method::POST, "/v1/tables".to_owned(), Some(spec)).await
    }

    /// Changes a table.
    pub async fn alter_table(&self, name: &str, alteration: &Alteration) -> Result<Json, Error> {
        let path = format!("/v1/tables/{}", encoded(name.as_bytes()));
        self.change_catalog(Method::PATCH, path, Some(alteration)).await
    }

    /// Drops a table with everything in it.
    pub async fn drop_table(&self, name: &str) -> Result<Json, Error> {
        let path = format!("/v1/tables/{}", encoded(name.as_bytes()));
        self.change_catalog(Method::DELETE, path, None::<&()>).await
    }

    /// Name, epoch, leader, health sentence, counts.
    pub async fn cluster(&self) -> Result<Json, Error> {
        self.ask("/v1/cluster".to_owned()).await
    }

    /// The members.
    pub async fn nodes(&self) -> Result<Json, Error> {
        self.ask("/v1/cluster/nodes".to_owned()).await
    }

    /// One member, by its id or its name.
    pub async fn node(&self, node: &str) -> Result<Json, Error> {
        self.ask(format!("/v1/cluster/nodes/{}", encoded(node.as_bytes()))).await
    }

    /// What a member that doubts its disk may have lost. Only that member can answer.
    pub async fn loss(&self, node: &str) -> Result<Json, Error> {
        self.ask(format!("/v1/cluster/nodes/{}/accept-loss", encoded(node.as_bytes()))).await
    }

    /// Lets a member go on with what its disk still holds. `named` is what is lost, in the operator's own words.
    pub async fn accept_loss(&self, node: &str, named: &str) -> Result<Json, Error> {
        let path = format!("/v1/cluster/nodes/{}/accept-loss", encoded(node.as_bytes()));
        self.change_catalog(Method::POST, path, Some(&json!({ "accept_data_loss": named }))).await
    }

    /// Positions, shards and owners of one table, or of all.
    pub async fn ring(&self, table: Option<&str>) -> Result<Json, Error> {
        let query = table.map(|name| format!("?table={}", encoded(name.as_bytes()))).unwrap_or_default();
        self.ask(format!("/v1/cluster/ring{query}")).await
    }

    /// Whether the first endpoint's node can serve its tables; [`Error::cause`] says why not.
    pub async fn ready(&self) -> Result<(), Error> {
        let call = self.call(Method::GET, "/health/ready".to_owned(), Effect::Read);
        self.send(&call).await.map(|_| ())
    }

    /// Any document of the server, by its path.
    pub async fn ask(&self, path: String) -> Result<Json, Error> {
        let call = self.call(Method::GET, path, Effect::Read);
        let answer = self.send(&call).await?;
        decode(&call, &answer)
    }

    /// Any change, by its path; an empty answer is `null`.
    pub async fn change<T: Serialize>(
        &self,
        method: Method,
        path: String,
        body: Option<&T>,
    ) -> Result<Json, Error> {
        let call = self.changing(method, path, body);
        self.send_change(call).await
    }

    /// A change of the catalog: the server is told how long it may take to reach every member.
    async fn change_catalog<T: Serialize>(
        &self,
        method: Method,
        path: String,
        body: Option<&T>,
    ) -> Result<Json, Error> {
        let mut call = self.changing(method, path, body);
        call.query.push(("timeout", millis(self.options().admin_timeout)));
        call.timeout += GRACE;
        self.send_change(call).await
    }

    fn changing<T: Serialize>(&self, method: Method, path: String, body: Option<&T>) -> Call {
        let mut call = self.call(method, path, Effect::Write);
        if let Some(body) = body {
            call.headers.push(("content-type", "application/json".to_owned()));
            call.body = Some(serde_json::to_vec(body).expect("a struct of plain members is JSON"));
        }
        call
    }

    async fn send_change(&self, call: Call) -> Result<Json, Error> {
        let answer = self.send(&call).await?;
        if answer.body.is_empty() { Ok(Json::Null) } else { decode(&call, &answer) }
    }
}
