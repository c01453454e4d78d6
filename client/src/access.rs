//! Users, tokens and roles: who may do what.

use crate::answer::Document;
use crate::client::Client;
use crate::error::Error;
use quorate_api::document::{
    Access, AccessSwitch, AccessSwitched, IssuedToken, Removed, Role, RoleSpec, TokenSpec, User, UserSpec,
};
use quorate_api::{OnRole, OnToken, OnUser, Route};

impl Client {
    /// Whether access control is on, and what this client may do; for an admin every user and role too.
    pub async fn access(&self) -> Result<Document<Access>, Error> {
        self.show(&Route::ShowAccess).await
    }

    /// Switches access control on or off. With a user in it, that user gets a token and may administer everything.
    pub async fn switch_access(&self, switch: &AccessSwitch) -> Result<Document<AccessSwitched>, Error> {
        self.ask_change_by(&Route::SwitchAccess, switch).await
    }

    /// Makes a user, or gives one other roles or another client certificate.
    pub async fn put_user(&self, name: &str, user: &UserSpec) -> Result<Document<User>, Error> {
        self.ask_change_by(&Route::PutUser(OnUser::new(name)), user).await
    }

    /// Removes a user and all its tokens.
    pub async fn remove_user(&self, name: &str) -> Result<Document<Removed>, Error> {
        self.ask_change(&Route::RemoveUser(OnUser::new(name))).await
    }

    /// Gives a user a token. Where the answer is lost, the token is: it can be revoked, and another one be made.
    pub async fn issue_token(&self, user: &str, spec: &TokenSpec) -> Result<Document<IssuedToken>, Error> {
        self.ask_change_by(&Route::IssueToken(OnUser::new(user)), spec).await
    }

    /// Lets a token be none any more, by its id.
    pub async fn revoke_token(&self, id: &str) -> Result<Document<Removed>, Error> {
        self.ask_change(&Route::RevokeToken(OnToken::new(id))).await
    }

    /// Makes a role, or lets one allow something else.
    pub async fn put_role(&self, name: &str, role: &RoleSpec) -> Result<Document<Role>, Error> {
        self.ask_change_by(&Route::PutRole(OnRole::new(name)), role).await
    }

    /// Removes a role that no user has.
    pub async fn remove_role(&self, name: &str) -> Result<Document<Removed>, Error> {
        self.ask_change(&Route::RemoveRole(OnRole::new(name))).await
    }
}
