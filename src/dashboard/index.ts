// The live dashboard.
export { Board, type EndState, type RunState, type RunStatus } from "./board.js";
export type { Watched } from "./pages.js";
export { runPage } from "./pages.js";
export { withDashboard } from "./server.js";
