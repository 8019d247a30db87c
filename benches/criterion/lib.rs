//! Benches of the cores with criterion; the benches beside the JavaScript peers are in `peers/`.
