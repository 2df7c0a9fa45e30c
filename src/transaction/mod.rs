//! The door: nothing changes the machine but what goes through here.
