// The library for require(): the same module that import loads, so that both have the same classes.
"use strict";

if (!process.features.require_module) {
  throw new Error(
    `bidora is an ES module, which require() loads in Node 20.19 and newer; this is Node ${process.versions.node}: update it, or use await import("bidora").`,
  );
}
module.exports = require("./index.js");
