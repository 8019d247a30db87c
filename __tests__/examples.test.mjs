// What documentation shows works: the examples of the peers' READMEs, written for this package, and our own.
import './examples/opossum.mjs';
