//! The file of the journal: an embedded database, so that several processes and torn writes are its business and not ours.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use rusqlite::config::DbConfig;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::errno;
use crate::model::{Fault, Kind};

/// How long a process waits for another one that writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Value {
    /// Gives the text, empty where it is none.
    pub fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            _ => "",
        }
    }

    /// Gives the number, 0 where it is none.
    pub fn integer(&self) -> i64 {
        self.number().unwrap_or(0)
    }

    /// Gives the number, if it is one.
    pub fn number(&self) -> Option<i64> {
        match self {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

/// A statement with its values.
pub type Statement<'a> = (&'a str, Vec<Value>);

/// An open database.
pub struct Store {
    connection: Connection,
}

impl Store {
    /// Opens the database at a path, making it if need be, with a schema of this version.
    ///
    /// It needs no fsync: a killed process loses nothing that it wrote, and a power cut ends the kernel state that the journal describes.
    pub fn open(path: &Path, schema: &str, version: i64) -> Result<Self, Fault> {
        is_ours(path)?;
        // SQLite would let everybody read it; its side files get the mode of this one.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(errno::fault(format!("open the journal {}", path.display()), error));
            }
            _ => {}
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        Self::prepare(Connection::open_with_flags(path, flags).map_err(|e| refused(path, &e))?, schema, version)
            .map_err(|e| refused(path, &e))?
            .ready(path, version)
    }

    /// Tells whether there is a file at a path.
    pub fn exists(path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    /// Opens a database in memory, for tests and for embedding without a journal.
    pub fn in_memory(schema: &str, version: i64) -> Result<Self, Fault> {
        let path = Path::new(":memory:");
        Self::prepare(Connection::open_in_memory().map_err(|e| refused(path, &e))?, schema, version)
            .map_err(|e| refused(path, &e))?
            .ready(path, version)
    }

    fn prepare(mut connection: Connection, schema: &str, version: i64) -> rusqlite::Result<Self> {
        connection.busy_timeout(PATIENCE)?;
        // Without this every statement is planned once more for the first values that it gets.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // The way to WAL is the one thing that does not wait for the busy timeout.
        let begun = Instant::now();
        while let Err(error) = connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON;") {
            if error.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseBusy) || begun.elapsed() > PATIENCE {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let found = |connection: &Connection| connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
        if found(&connection)? == 0 {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            // Somebody else may have been faster.
            if found(&transaction)? == 0 {
                transaction.execute_batch(&format!("{schema} PRAGMA user_version = {version};"))?;
            }
            transaction.commit()?;
        }
        Ok(Self { connection })
    }

    fn ready(self, path: &Path, version: i64) -> Result<Self, Fault> {
        let found: i64 = self.connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|e| refused(path, &e))?;
        if found != version {
            let why = format!("another version of fyke wrote it (format {found}, this one knows {version})");
            return Err(Fault::new(Kind::System, format!("open the journal {}", path.display()), why)
                .hint("lift its runs with that version, then remove the file"));
        }
        Ok(self)
    }

    /// Runs statements as one transaction: all of them, or none.
    pub fn write<'a>(&mut self, statements: impl IntoIterator<Item = Statement<'a>>) -> Result<(), Fault> {
        let attempt = |connection: &mut Connection| -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            for (sql, values) in statements {
                transaction.prepare_cached(sql)?.execute(params_from_iter(values.into_iter().map(to_sql)))?;
            }
            transaction.commit()
        };
        attempt(&mut self.connection).map_err(|error| failed("write to the journal", &error))
    }

    /// Runs one statement, and tells how many rows it changed.
    pub fn change(&mut self, (sql, values): Statement<'_>) -> Result<usize, Fault> {
        let attempt = || self.connection.prepare_cached(sql)?.execute(params_from_iter(values.into_iter().map(to_sql)));
        attempt().map_err(|error| failed("write to the journal", &error))
    }

    /// Reads the rows that a query finds.
    pub fn read(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Vec<Value>>, Fault> {
        let attempt = || -> rusqlite::Result<Vec<Vec<Value>>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let columns = statement.column_count();
            let rows = statement.query_map(params_from_iter(values.into_iter().map(to_sql)), |row| {
                (0..columns).map(|column| row.get::<_, Sql>(column).map(from_sql)).collect()
            })?;
            rows.collect()
        };
        attempt().map_err(|error| failed("read the journal", &error))
    }
}

/// Refuses what somebody else has put in the place of the database.
fn is_ours(path: &Path) -> Result<(), Fault> {
    let Ok(about) = path.symlink_metadata() else { return Ok(()) };
    let why = match () {
        () if !about.is_file() => "it is no regular file".to_owned(),
        () if about.uid() != geteuid().as_raw() => format!("it belongs to user {}", about.uid()),
        () => return Ok(()),
    };
    Err(Fault::new(Kind::System, format!("open the journal {}", path.display()), why)
        .hint("see who put it there; keep a copy, and move it away to go on without it"))
}

fn to_sql(value: Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Integer(number) => Sql::Integer(number),
        Value::Text(text) => Sql::Text(text),
    }
}

fn from_sql(value: Sql) -> Value {
    match value {
        Sql::Integer(number) => Value::Integer(number),
        Sql::Text(text) => Value::Text(text),
        Sql::Null | Sql::Real(_) | Sql::Blob(_) => Value::Null,
    }
}

fn refused(path: &Path, error: &rusqlite::Error) -> Fault {
    failed(&format!("open the journal {}", path.display()), error)
}

fn failed(tried: &str, error: &rusqlite::Error) -> Fault {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase};
    let fault = |kind| Fault::new(kind, tried, error.to_string());
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => {
            fault(Kind::Busy).hint(format!("another fyke has been writing for {} s", PATIENCE.as_secs()))
        }
        Some(DatabaseCorrupt | NotADatabase) => {
            fault(Kind::System).hint("the file is damaged; keep a copy, and move it away to go on without it")
        }
        Some(DiskFull) => fault(Kind::System).hint("make room where the journal is: without it, nothing is changed"),
        _ => fault(Kind::System),
    }
}
