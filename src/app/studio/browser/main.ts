// The script of the studio's pages. The server makes the pages; this sends forms, shows what came of them, and follows the news, with the
// rest of the page left as it is: focus, what is typed, what is open.
import { addCopying } from "./copying.js";
import { addDropping } from "./dropping.js";
import { addFiltering } from "./filtering.js";
import { addForms } from "./forms.js";
import { followNews } from "./news.js";
import { addRows } from "./rows.js";
import { addStreams } from "./streams.js";

addForms();
addStreams();
addDropping();
addCopying();
addFiltering();
addRows();
followNews();
