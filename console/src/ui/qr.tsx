import { encode } from 'uqr'

/** A QR code as a picture of squares; dark on white in both themes, for that is what cameras read. */
export function Qr({ text, label }: { text: string; label: string }) {
  const { data, size } = encode(text, { border: 3 })
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ''))).join('')
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${size} ${size}`}
      className="size-44 rounded-md bg-white"
    >
      <title>{label}</title>
      <path d={path} fill="#000" shapeRendering="crispEdges" />
    </svg>
  )
}
