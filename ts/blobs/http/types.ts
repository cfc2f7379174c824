// Content types by the ending of a name, and how far a browser may trust what they are said of.

const TEXT = 'text/plain; charset=utf-8'
const TYPES: Readonly<Record<string, string>> = {
  aac: 'audio/aac',
  avi: 'video/x-msvideo',
  avif: 'image/avif',
  bmp: 'image/bmp',
  bz2: 'application/x-bzip2',
  c: TEXT,
  css: 'text/css; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  epub: 'application/epub+zip',
  flac: 'audio/flac',
  gif: 'image/gif',
  gz: 'application/gzip',
  h: TEXT,
  htm: 'text/html; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/x-icon',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  log: TEXT,
  m4a: 'audio/mp4',
  md: 'text/markdown; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  mkv: 'video/x-matroska',
  mov: 'video/quicktime',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  oga: 'audio/ogg',
  ogg: 'audio/ogg',
  ogv: 'video/ogg',
  opus: 'audio/ogg',
  otf: 'font/otf',
  pdf: 'application/pdf',
  png: 'image/png',
  py: TEXT,
  rs: TEXT,
  svg: 'image/svg+xml',
  tar: 'application/x-tar',
  tif: 'image/tiff',
  tiff: 'image/tiff',
  toml: TEXT,
  ts: TEXT,
  ttf: 'font/ttf',
  txt: TEXT,
  wasm: 'application/wasm',
  wav: 'audio/wav',
  webm: 'video/webm',
  webmanifest: 'application/manifest+json',
  webp: 'image/webp',
  woff: 'font/woff',
  woff2: 'font/woff2',
  xhtml: 'application/xhtml+xml',
  xml: 'application/xml',
  yaml: TEXT,
  yml: TEXT,
  zip: 'application/zip',
  zst: 'application/zstd',
}

/** The type by the ending of a name, in any case; bytes without one are just that. */
export function typeOf(name: string | null): string {
  const [, ending] = /\.([a-z0-9]+)$/i.exec(name ?? '') ?? []
  const key = ending?.toLowerCase()
  return key !== undefined && Object.hasOwn(TYPES, key) ? TYPES[key]! : 'application/octet-stream'
}

/**
 * Whether a browser only shows it. Everything else is opened without scripts and in an origin of its own, since content comes
 * from strangers. PDF is here because its viewers refuse to work in a sandbox and run nothing outside their own.
 */
export function isPassive(type: string): boolean {
  return /^(?:image\/(?!svg)|audio\/|video\/|font\/|text\/plain|application\/(?:pdf|json)$)/.test(type)
}
