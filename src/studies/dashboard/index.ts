// The live dashboard.
export { Board } from "./board.js";
export { runPage } from "./pages.js";
export { withDashboard } from "./server.js";
