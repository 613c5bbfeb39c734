/** Descriptors left to everything but the workers: standard streams, sockets, modules being loaded. */
const RESERVED = 128;
/** More cases than this at once are of no use to one worker. */
const MOST = 512;
const FALLBACK_LIMIT = 1024;

/** How many cases (of so many files each) every worker may hold open so that all of them stay below the process's limit. */
export function openCasesPerWorker(workers: number, filesPerCase = 2, limit: number = descriptorLimit()): number {
  return Math.min(MOST, Math.max(1, Math.floor((limit - RESERVED) / (filesPerCase * workers))));
}

/** The soft limit of open files, where the system tells it. */
function descriptorLimit(): number {
  // The types do not know `excludeNetwork` yet.
  const report = process.report as (NodeJS.ProcessReport & { excludeNetwork: boolean }) | undefined;
  if (report === undefined) return FALLBACK_LIMIT;
  // Listing network interfaces may look up names, which can take seconds.
  const { excludeNetwork } = report;
  report.excludeNetwork = true;
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft: number | string } } };
  report.excludeNetwork = excludeNetwork;
  const soft = Number(userLimits?.open_files?.soft);
  return Number.isFinite(soft) ? soft : FALLBACK_LIMIT;
}
