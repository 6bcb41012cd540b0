//! What is kept when the process or its disk fails.
