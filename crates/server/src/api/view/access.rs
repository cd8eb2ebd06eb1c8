//! Users, sessions, tokens, roles.

use std::collections::BTreeSet;

use holdfast_engine::users::User;
use holdfast_model::{Grant, Limit, ResourceId, Role, Scope, Timestamp, Workload};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{ApiToken, Entered, Factor, Right, Session};

/// What sign-in leads to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SignedInView {
    /// In; the cookie is set.
    SignedIn {
        /// Token for the header `X-Holdfast-Csrf`.
        csrf: String,
    },
    /// A second factor is needed.
    SecondFactor {
        /// What it is sent with, within five minutes.
        handle: String,
        /// The factors that the user has: `totp`, `passkey`, `recovery_code`.
        factors: Vec<String>,
    },
}

/// Names of second factors.
pub(in crate::api) fn factor_names(factors: &[Factor]) -> Vec<String> {
    let name = |factor: &Factor| match factor {
        Factor::Totp => "totp",
        Factor::Passkey => "passkey",
        Factor::RecoveryCode => "recovery_code",
    };
    factors.iter().map(|factor| name(factor).to_owned()).collect()
}

/// Who is signed in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Id of the user.
    pub user: String,
    /// His name at sign-in.
    pub name: String,
    /// Everything that he may do somewhere.
    pub rights: Vec<String>,
    /// His roles and where they count.
    pub grants: Vec<GrantView>,
    /// Token for the header `X-Holdfast-Csrf`; absent for an API token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub csrf: Option<String>,
    /// When he last proved who he is; absent for an API token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String, format = DateTime)]
    pub proved_at: Option<Timestamp>,
}

/// All, or only these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitView {
    /// All there are and will be.
    All,
    /// These.
    Only(Vec<String>),
}

/// Where a role or a token counts. What is left out is an error, never "all".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeView {
    /// Tenants by name.
    pub tenants: LimitView,
    /// Workloads.
    pub workloads: LimitView,
    /// Resources by id.
    pub resources: LimitView,
}

/// A role and where it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantView {
    /// The role.
    pub role: String,
    /// Where.
    pub scope: ScopeView,
}

fn limit_view<T: Ord + ToString>(limit: &Limit<T>) -> LimitView {
    match limit {
        Limit::All => LimitView::All,
        Limit::Only(things) => LimitView::Only(things.iter().map(T::to_string).collect()),
    }
}

fn limit<T: Ord>(
    view: &LimitView,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Limit<T>, String> {
    Ok(match view {
        LimitView::All => Limit::All,
        LimitView::Only(names) => {
            let things: Result<BTreeSet<T>, String> =
                names.iter().map(|name| parse(name)).collect();
            Limit::Only(things?)
        }
    })
}

impl From<&Scope> for ScopeView {
    fn from(scope: &Scope) -> Self {
        Self {
            tenants: limit_view(&scope.tenants),
            workloads: limit_view(&scope.workloads),
            resources: limit_view(&scope.resources),
        }
    }
}

impl TryFrom<&ScopeView> for Scope {
    type Error = String;

    fn try_from(view: &ScopeView) -> Result<Self, String> {
        let workload = |name: &str| {
            name.parse::<Workload>().map_err(|_| format!("there is no workload '{name}'"))
        };
        Ok(Self {
            tenants: limit(&view.tenants, |name| Ok(name.to_owned()))?,
            workloads: limit(&view.workloads, workload)?,
            resources: limit(&view.resources, |id| Ok(ResourceId(id.to_owned())))?,
        })
    }
}

impl From<&Grant> for GrantView {
    fn from(grant: &Grant) -> Self {
        Self { role: grant.role.to_string(), scope: (&grant.scope).into() }
    }
}

impl TryFrom<&GrantView> for Grant {
    type Error = String;

    fn try_from(view: &GrantView) -> Result<Self, String> {
        Ok(Self { role: view.role.parse()?, scope: (&view.scope).try_into()? })
    }
}

impl From<&Entered> for Me {
    fn from(entered: &Entered) -> Self {
        let csrf = entered.csrf.expose_str().unwrap_or_default().to_owned();
        Self {
            csrf: Some(csrf),
            proved_at: Some(entered.session.proved_at),
            ..Self::of(&entered.principal)
        }
    }
}

impl Me {
    pub(in crate::api) fn of(principal: &crate::access::Principal) -> Self {
        let may = |right: &&Right| {
            let roles = principal.grants.iter().any(|grant| right.is_of(grant.role));
            let token = principal.token.as_ref();
            roles && token.is_none_or(|token| token.rights.contains(right) && !right.needs_person())
        };
        Self {
            user: principal.user.to_string(),
            name: principal.name.clone(),
            rights: Right::ALL.iter().filter(may).map(ToString::to_string).collect(),
            grants: principal.grants.iter().map(GrantView::from).collect(),
            csrf: None,
            proved_at: None,
        }
    }
}

/// A session.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Id by which it is ended.
    pub id: String,
    /// Address at sign-in.
    pub address: String,
    /// What the browser called itself at sign-in.
    pub agent: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    #[schema(value_type = String, format = DateTime)]
    pub seen_at: Timestamp,
    /// It is the one that asks.
    pub is_this: bool,
}

impl SessionView {
    pub(in crate::api) fn of(session: Session, this: Option<&Session>) -> Self {
        Self {
            is_this: this.is_some_and(|this| this.id == session.id),
            id: session.id,
            address: session.address,
            agent: session.agent,
            created_at: session.created_at,
            seen_at: session.seen_at,
        }
    }
}

/// A time-based code that is being set up.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Enrolment {
    /// What the first code is sent with, within five minutes.
    pub handle: String,
    /// The secret in base32, to be typed.
    pub secret: String,
    /// The secret as `otpauth://` address, to be shown as QR code.
    pub url: String,
}

/// New recovery codes, shown this once; none where the user has some already.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// The codes, each good once.
    pub codes: Vec<String>,
}

/// A passkey of a user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PasskeyView {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A user.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// The id.
    pub id: String,
    /// Name at sign-in.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Roles and where they count.
    pub grants: Vec<GrantView>,
    /// He may not sign in.
    pub disabled: bool,
    /// He was invited and has not chosen a password.
    pub is_invited: bool,
    /// Second factors that he has.
    pub factors: Vec<String>,
    /// His passkeys.
    pub passkeys: Vec<PasskeyView>,
    /// When he was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        let passkey = |key: &holdfast_engine::users::Passkey| PasskeyView {
            id: key.id.clone(),
            label: key.label.clone(),
            created_at: key.created_at,
        };
        Self {
            id: user.id.to_string(),
            name: user.name.clone(),
            display_name: user.display_name.clone(),
            grants: user.grants.iter().map(GrantView::from).collect(),
            disabled: user.disabled,
            is_invited: user.password_hash.is_none(),
            factors: factor_names(&Factor::of(user)),
            passkeys: user.passkeys.iter().map(passkey).collect(),
            created_at: user.created_at,
        }
    }
}

/// A user who was invited, or begins anew.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Invited {
    /// The user.
    pub user: UserView,
    /// The link by which he chooses his password, once, within 72 hours. Shown this once.
    pub link: String,
}

/// A role and its rights.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RoleView {
    /// The role.
    pub role: String,
    /// What it may do.
    pub rights: Vec<String>,
}

impl From<Role> for RoleView {
    fn from(role: Role) -> Self {
        let rights = Right::ALL.iter().filter(|right| right.is_of(role));
        Self { role: role.to_string(), rights: rights.map(ToString::to_string).collect() }
    }
}

/// An API token, without its text.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// The id.
    pub id: String,
    /// What it is for.
    pub label: String,
    /// What it may do, as far as its maker may.
    pub rights: Vec<String>,
    /// Where.
    pub scope: ScopeView,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it was last used.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id,
            label: token.label,
            rights: token.rights.iter().map(ToString::to_string).collect(),
            scope: (&token.scope).into(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            used_at: token.used_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// A token that was made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Made {
    /// Its text, shown this once.
    pub text: String,
    /// The token.
    pub token: TokenView,
}
