"""GLSL of the OpenGL renderer: one fragment program a material, so that no pixel pays for another's.

Colour leaves the shader as the square root of linear light in 8 bits (finer than sRGB's steps everywhere), alpha
carries the face's label, so that one target holds colour, coverage and part labels that agree to the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

LABEL_COLUMNS = 2048
"""Width of the texture that holds one label a face."""


@dataclass(frozen=True)
class Material:
    """Constants of one material.

    Attributes:
        roughness: GGX roughness (perceptual; squared in the shader). f0: reflectance at normal incidence.
        specular: weight of the key's highlight. sheen: weight of the reflected surroundings.
        bump: metres between the lowest and highest value of the height in the texture's alpha.
        wrap: light wrapped around the terminator by scattering below the surface, RGB.
        wrinkles: slope of the built-in wrinkle map.
    """

    roughness: float
    f0: float
    specular: float
    sheen: float
    bump: float
    wrap: tuple[float, float, float] = (0.0, 0.0, 0.0)
    wrinkles: float = 0.0


MATERIAL: dict[str, Material] = {
    "skin": Material(0.52, 0.028, 1.0, 0.5, 0.0012, wrap=(0.35, 0.18, 0.12)),
    "cloth": Material(0.85, 0.04, 0.25, 0.3, 0.0016, wrinkles=0.32),
    "hair": Material(0.48, 0.045, 0.6, 0.4, 0.004),
    "shoe": Material(0.55, 0.04, 0.8, 0.5, 0.0015),
}

VERTEX = """
#version 330
in vec3 position; in vec3 normal; in vec2 uv; in float scar;
uniform mat4 to_clip; uniform mat4 to_shadow;
out vec3 N; out vec3 P; out vec2 UV; out float S; out vec3 Q;
void main() {
    N = normal; P = position; UV = uv; S = scar;
    Q = (to_shadow * vec4(position + normal * 0.010, 1.0)).xyz;
    gl_Position = to_clip * vec4(position, 1.0);
}
"""

SHADOW_VERTEX = """
#version 330
in vec3 position; uniform mat4 to_clip;
void main() { gl_Position = to_clip * vec4(position, 1.0); }
"""

SHADOW_FRAGMENT = """
#version 330
void main() {}
"""

_FRAGMENT = """
in vec3 N; in vec3 P; in vec2 UV; in float S; in vec3 Q;
uniform sampler2D albedo; uniform sampler2D labels; uniform sampler2D wrinkles; uniform sampler2DShadow lit;
uniform vec3 sh[9]; uniform vec3 key_dir; uniform vec3 key_color; uniform float has_key;
layout(location = 0) out vec4 color;

vec3 irradiance(vec3 n) {
    return max(vec3(0.0), 0.282095 * sh[0] + 0.488603 * (sh[1] * n.y + sh[2] * n.z + sh[3] * n.x)
        + 1.092548 * (sh[4] * n.x * n.y + sh[5] * n.y * n.z + sh[7] * n.x * n.z)
        + 0.315392 * sh[6] * (3.0 * n.z * n.z - 1.0) + 0.546274 * sh[8] * (n.x * n.x - n.y * n.y));
}
vec3 to_linear(vec3 c) { return c * (c * (c * 0.305306011 + 0.682171111) + 0.012522878); }

void main() {
    float label = texelFetch(labels, ivec2(gl_PrimitiveID & (COLUMNS - 1), gl_PrimitiveID / COLUMNS), 0).r;
    vec3 n = normalize(N), v = normalize(-P);
#if TWO_SIDED
    n = gl_FrontFacing ? n : -n;
#endif
    vec4 texel = texture(albedo, UV);
    vec3 base = to_linear(texel.rgb);
    float level = 1.0;
#if SKIN
    // a healed stump: reddish towards the tip, with a thin transverse suture line
    vec3 red = base * vec3(1.12, 0.74, 0.70);
    base = mix(base, red, clamp(S, 0.0, 1.0) * 0.75);
    float line = (S - 0.84) / 0.035;
    base = mix(base, base * vec3(1.10, 0.62, 0.60), 0.6 * max(0.0, 1.0 - 0.5 * line * line) * step(0.01, S));
    level = 1.0 - min(1.0, S * 0.8);
#endif
    // bump from the height in alpha (Mikkelsen 2010, surface gradients from screen derivatives)
    float h = texel.a * (BUMP) * level;
    vec3 px = dFdx(P), py = dFdy(P);
    vec3 r1 = cross(py, n), r2 = cross(n, px);
    float det = dot(px, r1);
    vec3 g = (dFdx(h) * r1 + dFdy(h) * r2) / (sign(det) * max(abs(det), 1e-12));
    n = normalize(n - g / (1.0 + 0.7 * length(g)));
#if WRINKLED
    vec2 w = texture(wrinkles, UV * 0.55).xy * 2.0 - 1.0;
    vec3 t = normalize(cross(vec3(0.02, 1.0, 0.01), n) + vec3(1e-4, 0.0, 0.0));
    n = normalize(n - (WRINKLES) * (t * w.x + cross(n, t) * w.y));
#endif
    vec3 light = irradiance(n);
    float nl = dot(n, key_dir), nv = max(dot(n, v), 0.10), nl0 = max(nl, 0.0);
    float seen = mix(1.0, 0.5 * (texture(lit, Q + vec3(-0.0011, -0.0006, 0.0))
        + texture(lit, Q + vec3(0.0011, 0.0006, 0.0))), has_key);
#if SKIN
    vec3 wrap = WRAP;
    vec3 diffuse = clamp((vec3(nl) + wrap) / ((1.0 + wrap) * (1.0 + wrap)), 0.0, 1.0);
    vec3 result = base * (light + key_color * diffuse * vec3(min(1.0, seen + 0.12), seen, seen));
#else
    vec3 result = base * (light + key_color * nl0 * seen);
#endif
    // Cook-Torrance highlight of the key, GGX distribution; Schlick's Fresnel for the surroundings
    vec3 half_way = normalize(key_dir + v);
    float nh = max(dot(n, half_way), 0.0);
    const float a2 = (ROUGHNESS) * (ROUGHNESS) * (ROUGHNESS) * (ROUGHNESS);
    float d = nh * nh * (a2 - 1.0) + 1.0;
    float f = 1.0 - max(dot(half_way, v), 0.0);
    float f2 = f * f;
    float fresnel = (F0) + (1.0 - (F0)) * f2 * f2 * f;
    float highlight = min(a2 * fresnel * 0.25 / (d * d * max(0.25, nv + nl0 - nv * nl0)), 4.0);
    result += key_color * (highlight * nl0 * seen * (SPECULAR));
    float k = 1.0 - nv;
    float k2 = k * k;
    result += light * (((F0) + (1.0 - (F0)) * k2 * k2 * k) * (SHEEN));
    result = result / (1.0 + max(vec3(0.0), result - 0.75) * 0.7);
    color = vec4(sqrt(min(result, vec3(1.0))), label);
}
"""


def fragment(material: str, double_sided: bool) -> str:
    """Return the fragment program of one material."""
    m = MATERIAL[material]
    defines = {
        "COLUMNS": str(LABEL_COLUMNS),
        "TWO_SIDED": int(double_sided),
        "SKIN": int(material == "skin"),
        "WRINKLED": int(m.wrinkles > 0),
        "WRINKLES": repr(m.wrinkles),
        "BUMP": repr(m.bump),
        "ROUGHNESS": repr(m.roughness),
        "F0": repr(m.f0),
        "SPECULAR": repr(m.specular),
        "SHEEN": repr(m.sheen),
        "WRAP": f"vec3{m.wrap}",
    }
    head = "\n".join(f"#define {name} {value}" for name, value in defines.items())
    return f"#version 330\n{head}\n{_FRAGMENT}"
