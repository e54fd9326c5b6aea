//! Asks the daemon about each new connection: NFQUEUE.
