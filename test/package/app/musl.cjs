// Preloaded: Node's report as musl's Node gives it, without a version of glibc.
const { getReport } = process.report;
process.report.getReport = () => {
  const report = getReport.call(process.report);
  delete report.header.glibcVersionRuntime;
  return report;
};
