// The live dashboard.
export { Board, type RunStatus } from "./board.js";
export { LivePage, runPage } from "./pages.js";
export { withDashboard } from "./server.js";
