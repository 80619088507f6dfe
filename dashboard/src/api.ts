// Requests to the server that served the page. In: a path. Out: the document, or an ApiError with what to tell a person.

const tokenKey = "inlet.token";

/** Takes `?token=` out of the address, so that it is neither bookmarked nor shared, and keeps it for this tab. */
export function adoptToken(): void {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token === null) return;
  sessionStorage.setItem(tokenKey, token);
  url.searchParams.delete("token");
  history.replaceState(null, "", url);
}

export function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(tokenKey);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly id: string,
    what: string,
    readonly why?: string,
    readonly fix?: string,
  ) {
    super(what);
  }
}

/** The program's messages are parts of a line; here they stand alone. */
function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…:]$/.test(begun) ? begun : `${begun}.`;
}

export function explain(error: unknown): { what: string; why?: string; fix?: string } {
  if (error instanceof ApiError) return { what: sentence(error.message), why: error.why && sentence(error.why), fix: error.fix && sentence(error.fix) };
  return { what: "The server does not answer.", fix: "It is asked again as soon as the connection is back." };
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, { headers: { Accept: "application/json", ...authorization() }, signal, cache: "no-store" });
  if (response.ok) return (await response.json()) as T;
  let error: { id?: string; what?: string; why?: string; fix?: string } = {};
  try {
    error = ((await response.json()) as { error?: typeof error }).error ?? {};
  } catch {
    // not a JSON answer: the status says it all
  }
  if (response.status === 401 && !error.what) {
    error.what = "This server asks for a token.";
    error.fix = "Open the page with ?token=… as the program printed it at its start.";
  }
  throw new ApiError(response.status, error.id ?? "http", error.what ?? `The server answered ${response.status}.`, error.why, error.fix);
}
