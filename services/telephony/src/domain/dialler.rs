//! The dialler of a call list: whether it runs, over which connector, and who said so.
//! Called by rpc/dialler.rs and by dialler/; kept by store/dialler.rs.

/// The dialler of one list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialler {
    /// Id of the list.
    pub id: String,
    /// Raised by each change; 0 while it never ran.
    pub version: i64,
    /// "teams/{team}", the list's.
    pub team: String,
    /// Whether it places calls.
    pub running: bool,
    /// Id of the connector, or empty.
    pub connector: String,
    /// "users/{user}" who started or stopped it; empty when it stopped by itself.
    pub user: String,
    /// When that was, in microseconds since 1970 UTC.
    pub change_time: i64,
    /// Why it does not run, in words; empty while it does.
    pub reason: String,
}

impl Dialler {
    /// That of a list whose dialler never ran.
    pub fn new(list: &str, team: &str) -> Dialler {
        Dialler {
            id: list.to_owned(),
            version: 0,
            team: team.to_owned(),
            running: false,
            connector: String::new(),
            user: String::new(),
            change_time: 0,
            reason: "it was never started".to_owned(),
        }
    }

    /// "callLists/{list}".
    pub fn list_name(&self) -> String {
        format!("callLists/{}", self.id)
    }

    /// Starts it over a connector. False when it runs over that one already.
    pub fn start(&mut self, connector: &str, user: &str, now: i64) -> bool {
        if self.running && self.connector == connector {
            return false;
        }
        self.running = true;
        connector.clone_into(&mut self.connector);
        self.reason.clear();
        self.change(user, now);
        true
    }

    /// Stops it; `user` is empty when it stops by itself. False when it does not run.
    pub fn stop(&mut self, user: &str, reason: &str, now: i64) -> bool {
        if !self.running {
            return false;
        }
        self.running = false;
        reason.clone_into(&mut self.reason);
        self.change(user, now);
        true
    }

    fn change(&mut self, user: &str, now: i64) {
        user.clone_into(&mut self.user);
        self.change_time = now;
    }
}
