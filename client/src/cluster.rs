//! Tables, members and the state of the cluster.
//!
//! A document whose members a program decides by comes as [`Document`]: typed, and as it is. One that is only shown comes
//! as it is. So an older client shows a newer server's answer whole.

use crate::answer::Document;
use crate::call::Call;
use crate::client::{Client, GRACE, decode, millis, push_document};
use crate::error::Error;
use crate::outcome::Effect;
use quorate_api::document::{
    AcceptLoss, AnyJob, Cluster, Discarded, Drained, Job, JobSpec, Jobs, Limits, Loss, MoveJob, NodeDetails,
    Nodes, Plan, PlanSpec, Plans, RecoverSpec, Recovery, Ring, ShardMerge, ShardMove, ShardSplit, Shards,
    SyncState, TableChange, TableSpec,
};
use quorate_api::query::Parameter;
use quorate_api::{OnJob, OnNode, OnPlan, OnShard, OnTable, Route};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

impl Client {
    /// All tables.
    pub async fn tables(&self) -> Result<Json, Error> {
        self.show(&Route::ListTables).await
    }

    /// One table.
    pub async fn table(&self, name: &str) -> Result<Json, Error> {
        self.show(&Route::DescribeTable(OnTable::new(name))).await
    }

    /// What a table holds.
    pub async fn table_stats(&self, name: &str) -> Result<Json, Error> {
        self.show(&Route::TableStats(OnTable::new(name))).await
    }

    /// Makes a table; answered once every reachable member knows it.
    pub async fn create_table(&self, spec: &TableSpec) -> Result<Json, Error> {
        self.change_catalog(&Route::CreateTable, Some(spec)).await
    }

    /// Changes a table.
    pub async fn alter_table(&self, name: &str, change: &TableChange) -> Result<Json, Error> {
        self.change_catalog(&Route::AlterTable(OnTable::new(name)), Some(change)).await
    }

    /// Drops a table with everything in it: the one of this id, where one is given. Without an id it is refused while an
    /// earlier table of the name is dropped and not closed.
    pub async fn drop_table(&self, name: &str, id: Option<&str>) -> Result<Json, Error> {
        let mut call = self.change_call(&Route::DropTable(OnTable::new(name)));
        call.query.extend(id.map(|id| (Parameter::Id, id.to_owned())));
        self.send_change(call, None::<&()>).await
    }

    /// Name, epoch, leader, health sentence, counts.
    pub async fn cluster(&self) -> Result<Document<Cluster>, Error> {
        self.show(&Route::ShowCluster).await
    }

    /// The members.
    pub async fn nodes(&self) -> Result<Document<Nodes>, Error> {
        self.show(&Route::ListNodes).await
    }

    /// One member, by its id or its name.
    pub async fn node(&self, node: &str) -> Result<Document<NodeDetails>, Error> {
        self.show(&Route::ShowNode(OnNode::new(node))).await
    }

    /// What a member that doubts its disk may have lost. Only that member can answer.
    pub async fn loss(&self, node: &str) -> Result<Document<Loss>, Error> {
        self.show(&Route::PreviewLoss(OnNode::new(node))).await
    }

    /// Lets a member go on with what its disk still holds. `named` is what is lost, in the operator's own words.
    pub async fn accept_loss(&self, node: &str, named: &str) -> Result<Json, Error> {
        let accept = AcceptLoss { accept_data_loss: named.to_owned() };
        self.change_catalog(&Route::AcceptLoss(OnNode::new(node)), Some(&accept)).await
    }

    /// Lets the catalog go on without members that are gone for good, if the document says so; otherwise says what that
    /// would mean. The node that answers is the one that goes on.
    pub async fn recover(&self, spec: &RecoverSpec) -> Result<Document<Recovery>, Error> {
        let mut call = self.on_route(&Route::Recover);
        // Members are asked first, and those that are gone do not answer.
        call.patience = None;
        push_document(&mut call, spec);
        self.document(&call).await
    }

    /// The shards of a table.
    pub async fn shards(&self, table: &str) -> Result<Document<Shards>, Error> {
        self.show(&Route::ListShards(OnTable::new(table))).await
    }

    /// Makes two shards of one: those that there are then.
    pub async fn split_shard(
        &self,
        table: &str,
        shard: u32,
        split: &ShardSplit,
    ) -> Result<Document<Shards>, Error> {
        self.ask_change_by(&Route::SplitShard(OnShard::new(table, shard)), split).await
    }

    /// Makes one shard of two: the one that there is then.
    pub async fn merge_shard(
        &self,
        table: &str,
        shard: u32,
        merge: &ShardMerge,
    ) -> Result<Document<Shards>, Error> {
        self.ask_change_by(&Route::MergeShard(OnShard::new(table, shard)), merge).await
    }

    /// Moves one copy of a shard: the job that does.
    pub async fn move_shard(
        &self,
        table: &str,
        shard: u32,
        way: &ShardMove,
    ) -> Result<Document<MoveJob>, Error> {
        self.ask_change_by(&Route::MoveShard(OnShard::new(table, shard)), way).await
    }

    /// Positions, shards and owners of one table, or of all.
    pub async fn ring(&self, table: Option<&str>) -> Result<Document<Ring>, Error> {
        let mut call = self.on_route(&Route::ShowRing);
        call.query.extend(table.map(|name| (Parameter::Table, name.to_owned())));
        self.document(&call).await
    }

    /// The jobs that members remember, and those that the catalog keeps, the newest first.
    pub async fn jobs(&self) -> Result<Document<Jobs>, Error> {
        self.show(&Route::ListJobs).await
    }

    /// One job, by its id.
    pub async fn job(&self, id: &str) -> Result<Document<AnyJob>, Error> {
        self.show(&Route::ShowJob(OnJob::new(id))).await
    }

    /// Orders a job. Once more is another job: it does what the first one did.
    pub async fn order_job(&self, spec: &JobSpec) -> Result<Document<Job>, Error> {
        let mut call = self.on_route(&Route::OrderJob);
        push_document(&mut call, spec);
        self.document(&call).await
    }

    /// Lets a job that moves shards start no more of them.
    pub async fn pause_job(&self, id: &str) -> Result<Document<MoveJob>, Error> {
        self.ask_change(&Route::PauseJob(OnJob::new(id))).await
    }

    /// Lets it go on.
    pub async fn resume_job(&self, id: &str) -> Result<Document<MoveJob>, Error> {
        self.ask_change(&Route::ResumeJob(OnJob::new(id))).await
    }

    /// Ends it: shards at work go back.
    pub async fn abort_job(&self, id: &str) -> Result<Document<MoveJob>, Error> {
        self.ask_change(&Route::AbortJob(OnJob::new(id))).await
    }

    /// Makes a plan. Nothing is changed; the node that answers keeps it.
    pub async fn make_plan(&self, spec: &PlanSpec) -> Result<Document<Plan>, Error> {
        let mut call = self.on_route(&Route::MakePlan);
        // It is computed: one endpoint has its share of the whole time.
        call.patience = None;
        push_document(&mut call, spec);
        self.document(&call).await
    }

    /// The plans that the node keeps that answers.
    pub async fn plans(&self) -> Result<Document<Plans>, Error> {
        self.show(&Route::ListPlans).await
    }

    /// One plan, of the node that keeps it.
    pub async fn plan(&self, id: &str) -> Result<Document<Plan>, Error> {
        self.show(&Route::ShowPlan(OnPlan::new(id))).await
    }

    /// Forgets a plan.
    pub async fn discard_plan(&self, id: &str) -> Result<Document<Discarded>, Error> {
        self.show(&Route::DiscardPlan(OnPlan::new(id))).await
    }

    /// Carries out a plan. Again, it answers with the job that the first one began.
    pub async fn apply_plan(&self, id: &str) -> Result<Document<MoveJob>, Error> {
        self.ask_change(&Route::ApplyPlan(OnPlan::new(id))).await
    }

    /// Gives a member no new copies, and lets it say that it is not ready.
    pub async fn drain(&self, node: &str) -> Result<Document<Drained>, Error> {
        self.ask_change(&Route::DrainNode(OnNode::new(node))).await
    }

    /// Lets it be like any other again.
    pub async fn undrain(&self, node: &str) -> Result<Document<Drained>, Error> {
        self.ask_change(&Route::UndrainNode(OnNode::new(node))).await
    }

    /// When the owners of each table's shards were last found equal.
    pub async fn sync_state(&self) -> Result<Document<SyncState>, Error> {
        self.show(&Route::ShowSync).await
    }

    /// The limits in force at the node that answers.
    pub async fn limits(&self) -> Result<Limits, Error> {
        self.show(&Route::ShowLimits).await
    }

    /// Whether the first endpoint's node can serve its tables; [`Error::cause`] says why not.
    pub async fn ready(&self) -> Result<(), Error> {
        self.send(&self.on_route(&Route::Ready)).await.map(|_| ())
    }

    /// Any document, by its path: for what is asked of another server than a node.
    pub async fn ask(&self, path: String) -> Result<Json, Error> {
        self.document(&self.call(Method::GET, path, Effect::Read)).await
    }

    pub(crate) async fn show<T: DeserializeOwned>(&self, route: &Route) -> Result<T, Error> {
        self.document(&self.on_route(route)).await
    }

    async fn document<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Error> {
        let answer = self.send(call).await?;
        decode(call, &answer)
    }

    /// Any change, by its path, likewise; an empty answer is `null`.
    pub async fn change<T: Serialize>(
        &self,
        method: Method,
        path: String,
        body: Option<&T>,
    ) -> Result<Json, Error> {
        self.send_change(self.call(method, path, Effect::Write), body).await
    }

    /// A change of the catalog without a body, whose answer a program decides by.
    pub(crate) async fn ask_change<T: DeserializeOwned>(&self, route: &Route) -> Result<T, Error> {
        let mut call = self.on_route(route);
        call.query.push((Parameter::Timeout, millis(self.options().admin_timeout)));
        call.timeout += GRACE;
        self.document(&call).await
    }

    /// The same with a body.
    pub(crate) async fn ask_change_by<B: Serialize, T: DeserializeOwned>(
        &self,
        route: &Route,
        body: &B,
    ) -> Result<T, Error> {
        let mut call = self.on_route(route);
        call.query.push((Parameter::Timeout, millis(self.options().admin_timeout)));
        call.timeout += GRACE;
        push_document(&mut call, body);
        let answer = self.send(&call).await?;
        decode(&call, &answer)
    }

    /// A change of the catalog: the server is told how long it may take to reach every member.
    async fn change_catalog<T: Serialize>(&self, route: &Route, body: Option<&T>) -> Result<Json, Error> {
        self.send_change(self.change_call(route), body).await
    }

    fn change_call(&self, route: &Route) -> Call {
        let mut call = self.on_route(route);
        call.query.push((Parameter::Timeout, millis(self.options().admin_timeout)));
        call.timeout += GRACE;
        call
    }

    async fn send_change<T: Serialize>(&self, mut call: Call, body: Option<&T>) -> Result<Json, Error> {
        if let Some(body) = body {
            push_document(&mut call, body);
        }
        let answer = self.send(&call).await?;
        if answer.body.is_empty() { Ok(Json::Null) } else { decode(&call, &answer) }
    }
}
