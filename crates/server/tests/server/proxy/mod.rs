//! Reverse proxies: plain calls as proxies make them, and a real nginx.
